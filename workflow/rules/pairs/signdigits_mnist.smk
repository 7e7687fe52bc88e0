# Digits shown by hand for the teacher, handwritten digits for the student: unpaired by nature.
use rule pair_up as pair_up_signdigits_mnist with:
    wildcard_constraints:
        pair="signdigits_mnist",
