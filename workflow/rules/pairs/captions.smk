# What a generator imagines of captions for the teacher, the captions for the student: paired by nature.
use rule pair_up as pair_up_captions with:
    wildcard_constraints:
        pair="captions",
