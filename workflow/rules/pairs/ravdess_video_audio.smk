# Utterances seen by the teacher, heard by the student: paired by nature.
use rule pair_up as pair_up_ravdess_video_audio with:
    wildcard_constraints:
        pair="ravdess_video_audio",
