# Digits heard by the teacher, digits seen by the student: unpaired by nature.
use rule pair_up as pair_up_fsdd_mnist with:
    wildcard_constraints:
        pair="fsdd_mnist",
