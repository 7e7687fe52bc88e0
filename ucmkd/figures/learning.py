"""How accuracy on the validation split and the task's training loss develop."""

from matplotlib.figure import Figure

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.curves import Curve, curves_figure
from ucmkd.figures.style import in_style

_STOREYS = (
    Curve("val/accuracy", "Val. accuracy (%)", percent=True),
    Curve("loss/task", "Training loss (nats)", log=True),
)


@in_style
def draw(tables: Tables) -> Figure:
    """Draw mean and spread over seeds by epoch: validation accuracy above, training loss below."""
    return curves_figure(tables, _STOREYS, "No run logged its accuracy or loss.")
