# Utterances seen by the teacher, a ViT-B, heard by the student: paired by nature.
use rule pair_up as pair_up_ravdess_video_audio_vitb with:
    wildcard_constraints:
        pair="ravdess_video_audio_vitb",
