# Digits heard by the teacher, digits shown by hand for the student: unpaired by nature.
use rule pair_up as pair_up_fsdd_signdigits with:
    wildcard_constraints:
        pair="fsdd_signdigits",
