# Events heard by the teacher, seen by the student: paired by nature.
use rule pair_up as pair_up_ave_audio_video with:
    wildcard_constraints:
        pair="ave_audio_video",
