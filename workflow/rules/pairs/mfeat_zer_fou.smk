# Zernike moments of a digit for the teacher, its Fourier coefficients for the student: paired by nature.
use rule pair_up as pair_up_mfeat_zer_fou with:
    wildcard_constraints:
        pair="mfeat_zer_fou",
