# Methylation for the teacher, micro-RNA of the same person for the student: paired by nature.
use rule pair_up as pair_up_rosmap_methylation_mirna with:
    wildcard_constraints:
        pair="rosmap_methylation_mirna",
