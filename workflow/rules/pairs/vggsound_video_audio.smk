# Sounding clips seen by the teacher, heard by the student: paired by nature.
use rule pair_up as pair_up_vggsound_video_audio with:
    wildcard_constraints:
        pair="vggsound_video_audio",
