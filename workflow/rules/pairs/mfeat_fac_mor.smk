# Profile correlations of a digit for the teacher, its morphology for the student: paired by nature.
use rule pair_up as pair_up_mfeat_fac_mor with:
    wildcard_constraints:
        pair="mfeat_fac_mor",
