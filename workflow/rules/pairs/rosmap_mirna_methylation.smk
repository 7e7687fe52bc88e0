# Micro-RNA for the teacher, methylation of the same person for the student: paired by nature.
use rule pair_up as pair_up_rosmap_mirna_methylation with:
    wildcard_constraints:
        pair="rosmap_mirna_methylation",
