# Images of article sections for the teacher, their texts for the student: paired by nature.
use rule pair_up as pair_up_wikipedia_image_text with:
    wildcard_constraints:
        pair="wikipedia_image_text",
