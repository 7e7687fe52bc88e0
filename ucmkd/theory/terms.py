"""The names of everything that is computed about the bound, and what each is."""

CALIBRATED = "_calibrated"
"""Ends the name of a term with both heads at the temperature that fits their validation data best."""

_OF_HEADS = {
    "error/teacher": "err_T: mean negative log-likelihood of the teacher on its own test rows",
    "error/student": "err_S: mean negative log-likelihood of the student on its own test rows",
    "C/entropy": "C: mean over student features of the teacher head's loss, as its entropy",
    "C/neighbours": "C with the labels of the 10 nearest teacher features as the label distribution",
    "C/plug_in": "C by the published plug-in, -p_T(y|z) log p_T(y|z) at the true label: at most 1/e",
    "gap/entropy": "C/entropy minus the same mean over teacher features: what FA must exceed",
    "gap/neighbours": "C/neighbours minus the same mean over teacher features, each without its own label",
    "LA/entropy": "LA: err_S minus C/entropy; negative where the student is surer than the teacher's head",
    "LA/neighbours": "LA: err_S minus C/neighbours",
    "LA/plug_in": "LA: err_S minus C/plug_in",
    "tau/used": "tau: the larger of pairs_max and gradient_max, a lower bound of the Lipschitz constant",
    "tau/pairs_max": "largest slope of the entropy between two held-out features of either side",
    "tau/pairs_p99": "99th percentile of these slopes: no bound, but not one pair's doing either",
    "tau/gradient_max": "largest gradient of the entropy at a held-out feature",
    "tau/cap": "analytic upper bound of the gradient of the entropy, at every feature",
    "tau/neighbours_max": "largest slope of the nearest-neighbour form, which has jumps",
    "tau/neighbours_p99": "99th percentile of the slopes of the nearest-neighbour form",
    "FA/exact": "FA: tau/used times W/exact",
    "FA/excess": "tau/used times W/excess: without the bias of small samples, and no bound",
    "FA/sinkhorn": "tau/used times W/sinkhorn",
    "FA/sliced": "tau/used times W/sliced: too small",
    "FA/cap": "tau/cap times W/exact: an upper bound where both sides have as many samples",
    "FA/neighbours": "tau/neighbours_max times W/exact",
    "slack/entropy": "error/teacher + FA/exact - C/entropy; no choice of the student's head changes it",
    "slack/neighbours": "error/teacher + FA/neighbours - C/neighbours",
    "slack/plug_in": "error/teacher + FA/exact - C/plug_in: too large, since this C is too small",
    "slack/cap": "error/teacher + FA/cap - C/entropy",
    "label_gap/kl": "mean over student features of KL(p_T || p_S), the two heads' disagreement in nats",
    "kappa/mean": "mean of the label transport kernel p_T(y|z) over student features",
    "rate/concentration": "tau/used sqrt(log(2/0.05)/2) (n_S^-1/2 + n_T^-1/2), of the finite-sample bound",
}
_OF_FEATURES = {
    "temperature/teacher": "temperature fitted to the teacher's validation logits, between 0.05 and 20",
    "temperature/student": "temperature fitted to the student's validation logits, between 0.05 and 20",
    "label_gap/agreement": "share of student features on which both heads name the same class",
    "W/exact": "exact Wasserstein-1 distance of equally many student and teacher features; biased upwards",
    "W/matched": "exact distance of some student features to one half of the teacher's",
    "W/null": "exact distance of the two halves of the teacher's features: the bias of as many samples",
    "W/excess": "W/matched minus W/null",
    "W/sinkhorn": "Sinkhorn divergence of at most 500 rows of either side: no bound",
    "W/sliced": "Wasserstein-1 distance averaged over 500 random directions: a lower bound",
    "W_standardised/exact": "W/exact with the pooled features standardised: comparable between scales",
    "W_standardised/matched": "W/matched with the pooled features standardised",
    "W_standardised/null": "W/null with the pooled features standardised",
    "W_standardised/excess": "W_standardised/matched minus W_standardised/null",
    "dimension/student": "intrinsic dimension s of the student features, by two nearest neighbours",
    "dimension/teacher": "intrinsic dimension s of the teacher features, by two nearest neighbours",
    "rate/student": "n_S^(-1/s), of the finite-sample bound, whose constant is unknown",
    "rate/teacher": "n_T^(-1/s), of the finite-sample bound, whose constant is unknown",
    "rate/confidence": "sqrt(log(1/0.05)/(2 n_S)), of the finite-sample bound",
    "n/student": "student test rows that took part, at most 2,000",
    "n/teacher": "teacher test rows that took part, at most 2,000",
}

TERMS: dict[str, str] = (
    _OF_HEADS
    | {name + CALIBRATED: f"{words}; heads at their temperatures" for name, words in _OF_HEADS.items()}
    | _OF_FEATURES
)
"""Words by name. A dimension, and its rate, are missing where there are too few distinct features."""
