"""How far the student's features stay from the teacher's."""

from matplotlib.figure import Figure

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.curves import Curve, curves_figure
from ucmkd.figures.style import in_style


@in_style
def draw(tables: Tables) -> Figure:
    """Draw the debiased Sinkhorn divergence of kept student features to the teacher's by epoch."""
    storey = Curve("alignment/kept", "Divergence to teacher", log=True)
    return curves_figure(tables, [storey], "No run measured how far its features are from the teacher's.")
