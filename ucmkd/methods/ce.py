"""Train the student alone by cross-entropy: the lower control of every comparison."""

from ucmkd.methods import base
from ucmkd.settings import NoSettings


class Method(base.Method[NoSettings]):
    """Cross-entropy with the students' recipe."""

    label = "CE"
    Settings = NoSettings
