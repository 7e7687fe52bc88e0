# Karhunen-Loève coefficients of a digit for the teacher, its Fourier coefficients for the student: paired by nature.
use rule pair_up as pair_up_mfeat_kar_fou with:
    wildcard_constraints:
        pair="mfeat_kar_fou",
