# Morphological features of a digit for the teacher, its Fourier coefficients for the student: paired by nature.
use rule pair_up as pair_up_mfeat_mor_fou with:
    wildcard_constraints:
        pair="mfeat_mor_fou",
