# Texts of article sections for the teacher, their images for the student: paired by nature.
use rule pair_up as pair_up_wikipedia_text_image with:
    wildcard_constraints:
        pair="wikipedia_text_image",
