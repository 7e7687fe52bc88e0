r"""Every term of the bound :math:`err_S \le err_T + FA + LA` on held-out data.

With :math:`C` the mean of the teacher head's loss over student features, :math:`LA = err_S - C` by
definition. The bound is therefore :math:`0 \le err_T + FA - C`, the slack, with :math:`err_S` added to both
sides: it says whether the teacher's expected loss carries over to the student's features, and nothing of the
student's head.

References
----------
Tran et al., "Cross-modal knowledge distillation without paired data: theoretical foundation and algorithm",
arXiv:2606.10504.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.special import log_softmax

from ucmkd.errors import DataError
from ucmkd.evaluation.metrics import nll
from ucmkd.theory import distance, label_loss, lipschitz
from ucmkd.theory.calibration import temperature
from ucmkd.theory.dimension import rate, two_nearest_neighbours
from ucmkd.theory.head import Head
from ucmkd.theory.kappa import plug_in_kernel
from ucmkd.theory.terms import CALIBRATED

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

CONFIDENCE = 0.05
r"""The :math:`\delta` of the finite-sample bound, which holds with probability :math:`1 - 3 \delta`."""
_DEVIATION = float(np.sqrt(np.log(2 / CONFIDENCE) / 2))


@dataclass(frozen=True)
class HeldOut:
    """What a network says of held-out rows of its side.

    Attributes
    ----------
    features, logits, labels : array, shapes (n, d), (n, classes) and (n,)
        Of test rows; features lie in the shared embedding.
    validation_logits, validation_labels : array, shapes (m, classes) and (m,)
    """

    features: Array
    logits: Array
    labels: Labels
    validation_logits: Array
    validation_labels: Labels


def bound_terms(
    student: HeldOut, teacher: HeldOut, head: Head, draw: np.random.Generator
) -> dict[str, float]:
    """Compute every term of :data:`ucmkd.theory.terms.TERMS`.

    Where the student's own head does not read the shared embedding, the terms of the teacher's head still
    are what they are called, but no argument ties them to the student's error.

    Parameters
    ----------
    student, teacher : HeldOut
    head : Head
        The teacher's.
    draw : Generator
        Draws subsamples and directions.

    Raises
    ------
    DataError
        If something is not finite, or the two sides have features of different widths.
    TransportError
        If the Sinkhorn iterations do not converge.
    """
    _check(student, teacher)
    separation = _distances(student.features, teacher.features, draw)
    temperatures = {
        f"temperature/{side}": temperature(held.validation_logits, held.validation_labels)
        for side, held in (("student", student), ("teacher", teacher))
    }
    fixed = _Geometry(student, teacher, len(head.weight))
    raw = _terms_of_heads(fixed, student, teacher, head, separation)
    cooled = _terms_of_heads(
        fixed,
        replace(student, logits=student.logits / temperatures["temperature/student"]),
        replace(teacher, logits=teacher.logits / temperatures["temperature/teacher"]),
        head.at_temperature(temperatures["temperature/teacher"]),
        separation,
    )
    logs = head.log_probabilities(student.features)
    return {
        **raw,
        **{name + CALIBRATED: value for name, value in cooled.items()},
        **temperatures,
        "label_gap/agreement": float(np.mean(logs.argmax(axis=1) == student.logits.argmax(axis=1))),
        **separation,
        **_sizes(student.features, teacher.features),
    }


class _Geometry:
    """What does not depend on a temperature: distances and neighbours."""

    def __init__(self, student: HeldOut, teacher: HeldOut, classes: int) -> None:
        known = teacher.features, teacher.labels, classes
        self.distances = pdist(np.concatenate([student.features, teacher.features]))
        self.around_student = label_loss.neighbour_distribution(student.features, *known)
        self.around_teacher = label_loss.neighbour_distribution(None, *known)


def _terms_of_heads(
    fixed: _Geometry, student: HeldOut, teacher: HeldOut, head: Head, separation: dict[str, float]
) -> dict[str, float]:
    on_student, on_teacher = (head.log_probabilities(held.features) for held in (student, teacher))
    entropies = label_loss.entropy(on_student), label_loss.entropy(on_teacher)
    expectations = (
        label_loss.expected(on_student, fixed.around_student),
        label_loss.expected(on_teacher, fixed.around_teacher),
    )
    slopes = lipschitz.pair_slopes(np.concatenate(entropies), fixed.distances)
    jumps = lipschitz.pair_slopes(np.concatenate(expectations), fixed.distances)
    pooled = np.concatenate([student.features, teacher.features])
    gradients = np.linalg.norm(lipschitz.entropy_gradients(head, pooled), axis=1)
    tau = {
        "pairs_max": _largest(slopes),
        "pairs_p99": _high(slopes),
        "gradient_max": _largest(gradients),
        "cap": lipschitz.entropy_cap(head),
        "neighbours_max": _largest(jumps),
        "neighbours_p99": _high(jumps),
    }
    tau["used"] = max(tau["pairs_max"], tau["gradient_max"])
    alignment = {
        kind: tau["used"] * separation[f"W/{kind}"] for kind in ("exact", "excess", "sinkhorn", "sliced")
    }
    alignment["cap"] = tau["cap"] * separation["W/exact"]
    alignment["neighbours"] = tau["neighbours_max"] * separation["W/exact"]
    own = nll(student.logits, student.labels)
    taught = nll(teacher.logits, teacher.labels)
    c = {
        "entropy": float(entropies[0].mean()),
        "neighbours": float(expectations[0].mean()),
        "plug_in": float(label_loss.plug_in(on_student, student.labels).mean()),
    }
    log_student = log_softmax(student.logits, axis=1)
    sizes = [len(held.labels) for held in (student, teacher)]
    return {
        "error/teacher": taught,
        "error/student": own,
        **{f"C/{form}": value for form, value in c.items()},
        "gap/entropy": c["entropy"] - float(entropies[1].mean()),
        "gap/neighbours": c["neighbours"] - float(expectations[1].mean()),
        **{f"LA/{form}": own - value for form, value in c.items()},
        **{f"tau/{kind}": value for kind, value in tau.items()},
        **{f"FA/{kind}": value for kind, value in alignment.items()},
        "slack/entropy": taught + alignment["exact"] - c["entropy"],
        "slack/neighbours": taught + alignment["neighbours"] - c["neighbours"],
        "slack/plug_in": taught + alignment["exact"] - c["plug_in"],
        "slack/cap": taught + alignment["cap"] - c["entropy"],
        "label_gap/kl": float((np.exp(on_student) * (on_student - log_student)).sum(axis=1).mean()),
        "kappa/mean": float(plug_in_kernel(log_student, on_student, student.labels).mean()),
        "rate/concentration": tau["used"] * _DEVIATION * sum(size**-0.5 for size in sizes),
    }


def _distances(student: Array, teacher: Array, draw: np.random.Generator) -> dict[str, float]:
    # rows may come sorted by class: whoever takes the first ones must not take some classes alone
    student, teacher = draw.permutation(student), draw.permutation(teacher)
    size = min(len(student), len(teacher))
    found = {
        "W/sinkhorn": distance.sinkhorn(student, teacher),
        "W/sliced": distance.sliced(student, teacher, int(draw.integers(2**31))),
    }
    halves = int(draw.integers(2**31))  # the same for both scales
    for name, sides in (
        ("W", (student, teacher)),
        ("W_standardised", distance.standardised(student, teacher)),
    ):
        measured = distance.against_null(*sides, np.random.default_rng(halves))
        found |= {
            f"{name}/exact": distance.exact(sides[0][:size], sides[1][:size]),
            f"{name}/matched": measured.matched,
            f"{name}/null": measured.null,
            f"{name}/excess": measured.excess,
        }
    return found


def _sizes(student: Array, teacher: Array) -> dict[str, float]:
    found = {"rate/confidence": float(np.sqrt(np.log(1 / CONFIDENCE) / (2 * len(student))))}
    for side, features in (("student", student), ("teacher", teacher)):
        found[f"n/{side}"] = len(features)
        dimension = two_nearest_neighbours(features)
        if dimension is not None:
            found[f"dimension/{side}"] = dimension
            found[f"rate/{side}"] = rate(len(features), dimension)
    return found


def _largest(values: Array) -> float:
    return float(values.max(initial=0.0))


def _high(values: Array) -> float:
    return float(np.quantile(values, 0.99)) if len(values) else 0.0


def _check(student: HeldOut, teacher: HeldOut) -> None:
    for side, held in (("student", student), ("teacher", teacher)):
        for what in ("features", "logits", "validation_logits"):
            if not np.isfinite(getattr(held, what)).all():
                raise DataError(f"the {side}'s {what.replace('_', ' ')} are not finite; train it again")
    widths = [held.features.shape[1] for held in (student, teacher)]
    if widths[0] != widths[1]:
        raise DataError(f"student and teacher features have widths {widths[0]} and {widths[1]}; "
                        "the bound needs one space for both")  # fmt: skip
