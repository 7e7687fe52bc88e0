"""How training data may depart from what is tested: less of it, other frequencies of classes, noise.

A shift follows a regime, as in ``class_cond+long_tail``. It changes training rows, and by noise also those of
validation; the student's test rows are changed by ``student_test_snr_db`` alone.

Presets whose names begin with ``legacy_`` have the numbers of the released UCMKD loader for RAVDESS. They are
kept to compare with, since they hardly shift anything: the noise is tiny beside raw audio features, the test
stays clean, the long tail thins a class without making it rarer, and the teacher has seen everything. The
others do what they say.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ucmkd.settings import build

INFINITE = math.inf


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What is changed; the defaults change nothing.

    Attributes
    ----------
    student_share, teacher_share : float
        Share of each class's training rows that a side keeps, in (0, 1].
    student_instances : float or None
        Share of each class's instances that the student gets; the teacher gets the others, and none of these.
    student_imbalance, teacher_imbalance : float
        A long tail: of the class at rank r of K a side keeps the share ``imbalance ** (-r / (K - 1))``. The
        order of the classes is drawn anew for each side.
    refill : bool
        Whether rows that a long tail leaves are repeated until their class is as frequent as before.
    student_missing, teacher_missing : int
        Classes of which a side has no training row.
    student_snr_db, student_test_snr_db, teacher_snr_db : float
        Signal-to-noise ratio in dB of Gaussian noise on standardised inputs, whose power is 1: of the
        student's training and validation rows, of its test rows, of all rows of the teacher.
    legacy_level : float or None
        The student's training images are jittered, greyed, blurred and erased in the released strength; to
        its training rows of anything else noise of the released standard deviation is added,
        ``0.05 + 0.2 * level`` in raw units.
    teacher_inside : bool
        Whether the teacher is trained on what the shift leaves; else on everything, as if there were none.
    """

    student_share: float = 1.0
    teacher_share: float = 1.0
    student_instances: float | None = None
    student_imbalance: float = 1.0
    teacher_imbalance: float = 1.0
    refill: bool = False
    student_missing: int = 0
    teacher_missing: int = 0
    student_snr_db: float = INFINITE
    student_test_snr_db: float = INFINITE
    teacher_snr_db: float = INFINITE
    legacy_level: float | None = None
    teacher_inside: bool = True

    def __post_init__(self) -> None:
        for name in ("student_share", "teacher_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in (0, 1]")
        if self.student_instances is not None and not 0 < self.student_instances < 1:
            raise ValueError(f"student_instances is {self.student_instances}; it must lie in (0, 1)")
        for name in ("student_imbalance", "teacher_imbalance"):
            if not 1 <= getattr(self, name) < INFINITE:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("student_missing", "teacher_missing"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.legacy_level is not None and not 0 <= self.legacy_level <= 1:
            raise ValueError(f"legacy_level is {self.legacy_level}; it must lie in [0, 1]")

    def parts_pairs(self) -> bool:
        """Tell whether a student row may lose its partner."""
        thinned = max(self.student_imbalance, self.teacher_imbalance) > 1
        missing = self.student_missing + self.teacher_missing > 0
        parted = self.student_instances is not None or self.teacher_share < self.student_share
        return thinned or missing or parted

    def adds_noise_to(self, role: str) -> bool:
        """Tell whether the inputs of the teacher or of the student change."""
        if role == "teacher":
            return self.teacher_snr_db < INFINITE
        return self.legacy_level is not None or min(self.student_snr_db, self.student_test_snr_db) < INFINITE


@dataclass(frozen=True)
class Legacy:
    """A released preset: the audio side's share of instances, the level, the long tail of the audio side."""

    audio_share: float | None = None
    level: float | None = None
    imbalance: float = 1.0

    def as_shift(self, *, audio_is_student: bool) -> Shift:
        """Say what it does to either side; the teacher is trained on all data, and none of it is changed."""
        share = self.audio_share
        shift = Shift(refill=True, legacy_level=self.level, teacher_inside=False)
        if share is not None:
            shift = replace(shift, student_instances=share if audio_is_student else round(1 - share, 6))
        if audio_is_student:
            return replace(shift, student_imbalance=self.imbalance)
        return replace(shift, teacher_imbalance=self.imbalance)


def _mismatch(share: float, imbalance: float, snr_db: float) -> Shift:
    """Do what the released mild, moderate and hard presets set out to do."""
    return Shift(
        student_instances=share,
        student_imbalance=imbalance,
        student_snr_db=snr_db,
        student_test_snr_db=snr_db,
    )


LEGACY = {
    "legacy_clean": Legacy(),
    "legacy_mild": Legacy(0.7, 0.3, 5.0),
    "legacy_moderate": Legacy(0.5, 0.5, 10.0),
    "legacy_hard": Legacy(0.3, 0.8, 50.0),
    "legacy_marginal_only": Legacy(audio_share=0.5),
    "legacy_domain_only": Legacy(level=0.5),
    "legacy_imbalance_only": Legacy(imbalance=10.0),
}
PRESETS = {
    "share0.3": Shift(student_share=0.3, teacher_share=0.3),
    "share0.4": Shift(student_share=0.4, teacher_share=0.4),
    "share0.5": Shift(student_share=0.5, teacher_share=0.5),
    "marginal": Shift(student_instances=0.5),
    "long_tail": Shift(student_imbalance=10.0, teacher_imbalance=10.0),
    "long_tail_student": Shift(student_imbalance=10.0),
    "long_tail_teacher": Shift(teacher_imbalance=10.0),
    "missing_class_student": Shift(student_missing=1),
    "missing_class_teacher": Shift(teacher_missing=1),
    "noisy_train": Shift(student_snr_db=0.0),
    "noisy_test": Shift(student_test_snr_db=0.0),
    "noisy_teacher": Shift(teacher_snr_db=0.0),
    "easy": _mismatch(0.7, 5.0, 10.0),
    "medium": _mismatch(0.5, 10.0, 5.0),
    "hard": _mismatch(0.3, 50.0, 0.0),
}


def shift_names(defined: Mapping[str, Any]) -> list[str]:
    """List the presets and the shifts that a configuration defines."""
    return [*PRESETS, *LEGACY, *defined]


def find_shift(name: str, defined: Mapping[str, Mapping[str, Any]], *, student: str, teacher: str) -> Shift:
    """Look a shift up; a definition of the configuration goes before a preset of the same name.

    Parameters
    ----------
    name : str
        One of :func:`shift_names`.
    defined : mapping
        The section ``shifts`` of the configuration.
    student, teacher : str
        Modalities. Legacy presets treat the student as the audio side unless the teacher alone is one.

    Raises
    ------
    ConfigError
        If a definition is wrong.
    """
    if name in defined:
        return build(Shift, defined[name], f"shifts.{name}")
    if name in LEGACY:
        return LEGACY[name].as_shift(audio_is_student=teacher != "audio" or student == "audio")
    return PRESETS[name]
