# Gaussian views that share some decisive variables: paired by nature, with known answers.
use rule pair_up as pair_up_mfh_gaussian with:
    wildcard_constraints:
        pair="mfh_gaussian",
