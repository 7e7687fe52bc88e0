# Utterances heard by the teacher, a ViT-L, seen by the student: paired by nature.
use rule pair_up as pair_up_ravdess_audio_video_vitl with:
    wildcard_constraints:
        pair="ravdess_audio_video_vitl",
