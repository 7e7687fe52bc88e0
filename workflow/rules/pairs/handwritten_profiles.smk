# Digits seen by the teacher, row and column sums of the same images for the student: paired by nature.
use rule pair_up as pair_up_handwritten_profiles with:
    wildcard_constraints:
        pair="handwritten_profiles",
