# Karhunen-Loève coefficients of a digit for the teacher, its morphology for the student: paired by nature.
use rule pair_up as pair_up_mfeat_kar_mor with:
    wildcard_constraints:
        pair="mfeat_kar_mor",
