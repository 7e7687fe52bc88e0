# Clips of emotions heard by the teacher, seen by the student: paired by nature.
use rule pair_up as pair_up_cremad_audio_video with:
    wildcard_constraints:
        pair="cremad_audio_video",
