# Handwritten digits for the teacher, digits shown by hand for the student: unpaired by nature.
use rule pair_up as pair_up_mnist_signdigits with:
    wildcard_constraints:
        pair="mnist_signdigits",
