# Fourier coefficients of a digit for the teacher, its Zernike moments for the student: paired by nature.
use rule pair_up as pair_up_mfeat_fou_zer with:
    wildcard_constraints:
        pair="mfeat_fou_zer",
