# Events heard by the teacher, a ViT-B, seen by the student: paired by nature.
use rule pair_up as pair_up_ave_audio_video_vitb with:
    wildcard_constraints:
        pair="ave_audio_video_vitb",
