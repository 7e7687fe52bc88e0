# Digits seen by the teacher, digits heard by the student: unpaired by nature.
use rule pair_up as pair_up_mnist_fsdd with:
    wildcard_constraints:
        pair="mnist_fsdd",
