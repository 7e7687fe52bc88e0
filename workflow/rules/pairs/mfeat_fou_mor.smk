# Fourier coefficients of a digit for the teacher, its morphology for the student: paired by nature.
use rule pair_up as pair_up_mfeat_fou_mor with:
    wildcard_constraints:
        pair="mfeat_fou_mor",
