"""A fair benchmark of cross-modal knowledge distillation, with and without paired data."""

__version__ = "0.1.0"
