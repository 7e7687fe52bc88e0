# As captions, with a transformer as the student.
use rule pair_up as pair_up_captions_transformer with:
    wildcard_constraints:
        pair="captions_transformer",
