"""What criteria of selection and estimators of information are called in figures."""

from ucmkd.evaluation.cch import COMPARED
from ucmkd.evaluation.selection import margin_name

_ESTIMATORS = {
    "ksg": "KSG",
    "mixed_ksg": "mixed KSG",
    "gaussian_cca": "Gaussian CCA",
    "infonce": "InfoNCE",
    "mine": "MINE",
    "probe": "probe",
}
MARGINS = {
    margin_name(between): f"{_ESTIMATORS[between]} − {_ESTIMATORS[about]}" for between, about in COMPARED
}
"""How the estimators of a margin are named, by criterion."""

CRITERIA = {
    **{name: f"CCH: {estimators}" for name, estimators in MARGINS.items()},
    "teacher_accuracy": "Teacher accuracy",
    "gaussian_gain": "Gaussian u* rule",
    "pilot_gain": "Pilot, 10 % of epochs",
    "mfh_gamma": "MFH γ (our estimate)",
}
"""How criteria are named, in the order of a figure."""
