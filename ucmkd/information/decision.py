"""What estimates of mutual information say by the cross-modal complementarity hypothesis (CCH)."""

from typing import Literal

from ucmkd.information.estimates import Estimate

Verdict = Literal["help", "no help", "undecided"]


def margin(between: Estimate, about: Estimate) -> float:
    """Give I(T; S) - I(S; Y) in nats; the hypothesis is that distillation helps where it is positive."""
    return between.value - about.value


def verdict(between: Estimate, about: Estimate) -> Verdict:
    """Say whether distillation should help by the hypothesis, where the margin's sign is clear.

    It is not clear where the intervals of I(T; S) and I(S; Y) overlap. Nor is it where the estimator's cap
    on I(T; S) is within or below the interval of I(S; Y): it could not have said ``help`` of any data.

    Parameters
    ----------
    between : Estimate
        I(T; S) of teacher's and student's features.
    about : Estimate
        I(S; Y) of the student's features about the classes. Where it is a lower bound, ``help`` is said
        too readily.

    References
    ----------
    Xie, Xu, Sanguinetti, "Information-theoretic criteria for knowledge distillation in multimodal learning",
    arXiv:2510.13182.
    """
    if between.cap is not None and between.cap <= about.high:
        return "undecided"
    if between.low > about.high:
        return "help"
    return "no help" if between.high < about.low else "undecided"


def keeps_data_processing(between: Estimate, about_teacher: Estimate, about_student: Estimate) -> bool:
    """Say whether re-paired rows give an I(T; S) that they can have, up to the intervals.

    Where pairs are formed within class, teacher and student know of each other through the class alone, and
    I(T; S) is at most I(T; Y) and at most I(S; Y). An estimator that breaks this is biased on such data.
    """
    return between.low <= min(about_teacher.high, about_student.high)
