# Digits shown by hand for the teacher, digits heard by the student: unpaired by nature.
use rule pair_up as pair_up_signdigits_fsdd with:
    wildcard_constraints:
        pair="signdigits_fsdd",
