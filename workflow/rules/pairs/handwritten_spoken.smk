# Digits seen by the teacher, digits heard by the student: unpaired by nature.
use rule pair_up as pair_up_handwritten_spoken with:
    wildcard_constraints:
        pair="handwritten_spoken",
