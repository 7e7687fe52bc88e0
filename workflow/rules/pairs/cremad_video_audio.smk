# Clips of emotions seen by the teacher, heard by the student: paired by nature.
use rule pair_up as pair_up_cremad_video_audio with:
    wildcard_constraints:
        pair="cremad_video_audio",
