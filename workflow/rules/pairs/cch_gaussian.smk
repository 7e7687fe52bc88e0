# A noisy guess of the target for the teacher, its causes for the student: paired by nature, with known answers.
use rule pair_up as pair_up_cch_gaussian with:
    wildcard_constraints:
        pair="cch_gaussian",
