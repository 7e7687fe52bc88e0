"""Train the student alone by the recipe that trains teachers: the baseline to beat.

A gain over the student's own recipe that vanishes here is a gain of the recipe, not of distillation.
"""

from typing import TYPE_CHECKING

from ucmkd.methods import base
from ucmkd.settings import NoSettings

if TYPE_CHECKING:
    from ucmkd.training.recipe import Recipe, Recipes


class Method(base.Method[NoSettings]):
    """Cross-entropy with the teachers' recipe, on the student's network, modality, rows and budget."""

    label = "CE (teacher recipe)"
    Settings = NoSettings

    def recipe(self, recipes: "Recipes") -> "Recipe":
        budget = recipes.student
        return recipes.teacher.changed(
            epochs=budget.epochs, batch_size=budget.batch_size, evaluations=budget.evaluations
        )
