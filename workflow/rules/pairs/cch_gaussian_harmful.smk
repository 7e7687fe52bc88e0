# A guess that repeats the label's noise for the teacher, its causes for the student: a teacher known to harm.
use rule pair_up as pair_up_cch_gaussian_harmful with:
    wildcard_constraints:
        pair="cch_gaussian_harmful",
