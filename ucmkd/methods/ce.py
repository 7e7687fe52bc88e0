"""Train the student alone by cross-entropy: the lower control of every comparison."""

from ucmkd.methods import base


class Method(base.Method[base.NoSettings]):
    """Cross-entropy with the students' recipe."""

    label = "CE"
    Settings = base.NoSettings
