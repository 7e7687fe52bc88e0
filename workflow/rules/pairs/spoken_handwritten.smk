# Digits heard by the teacher, digits seen by the student: unpaired by nature.
use rule pair_up as pair_up_spoken_handwritten with:
    wildcard_constraints:
        pair="spoken_handwritten",
