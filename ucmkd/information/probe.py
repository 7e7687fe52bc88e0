"""What a linear classifier finds of the classes in features: a lower bound on their mutual information."""

from collections.abc import Sequence

import numpy as np

from ucmkd.information.components import leading
from ucmkd.information.estimates import FEWEST_OF_A_CLASS, Array, Estimate, Labels, label_entropy
from ucmkd.information.resampling import Rows, bootstrapped
from ucmkd.seeding import generator_for, seed_for

DIMENSIONS = 64
FOLDS = FEWEST_OF_A_CLASS
STRENGTHS = (0.003, 0.03, 0.3, 3.0)
"""Inverse penalties of the logistic regression, one of which is chosen within every training part."""

_INNER_FOLDS = 3
_ITERATIONS = 500


def probe(a: Array, labels: Labels, *, seed: int) -> Estimate:
    """Bound I(A; Y) from below: the classes' entropy less a linear probe's cross-entropy on held-out rows.

    A multinomial logistic regression is fitted four times, each time to three quarters of the rows, and
    gives the probability of the class of every row in the other quarter. How far below the information this
    is depends on the rows: more of them make a better probe. The interval resamples the held-out terms, with
    the probes as they are. The cap is the entropy.
    """
    classes = np.unique(labels, return_inverse=True)[1]
    shares = np.bincount(classes) / len(classes)
    features = leading(a, DIMENSIONS)
    terms = _held_out(features, classes, seed) - np.log(shares[classes])

    def of_rows(rows: Rows) -> float:
        return float(terms[rows].mean())

    rng = generator_for(seed, "information", "probe")
    return bootstrapped(of_rows, len(terms), rng=rng, cap=label_entropy(classes))


def _held_out(features: Array, classes: Labels, seed: int) -> Array:
    """Give the log probability of each row's class by a probe that was not fitted to the row."""
    from sklearn.model_selection import StratifiedKFold

    said = np.empty(len(classes))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed_for(seed, "probe") % 2**32)
    for train, test in folds.split(features, classes):
        strength = _choose(features[train], classes[train], STRENGTHS)
        said[test] = _log_probability(features, classes, train, test, strength)
    return said


def _choose(features: Array, classes: Labels, strengths: Sequence[float]) -> float:
    from sklearn.model_selection import StratifiedKFold

    splits = list(StratifiedKFold(_INNER_FOLDS).split(features, classes))
    found = [
        np.mean([_log_probability(features, classes, train, test, strength).mean() for train, test in splits])
        for strength in strengths
    ]
    return strengths[int(np.argmax(found))]


def _log_probability(features: Array, classes: Labels, train: Rows, test: Rows, strength: float) -> Array:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(features[train], classes[train])
    said: Array = model.predict_log_proba(features[test])[np.arange(len(test)), classes[test]]
    return said
