"""Errors that name the thing, the place and the remedy, each with the exit code it ends a command with."""


class UcmkdError(Exception):
    """Anything that stops a command with one message instead of a traceback."""

    exit_code = 1


class ConfigError(UcmkdError):
    """The configuration or the command line asks for something that does not exist or cannot be."""

    exit_code = 2


class DataError(UcmkdError):
    """Input data are missing, damaged or contradict what was declared."""

    exit_code = 2


class TransportError(UcmkdError):
    """A transport problem is ill posed or its solver did not converge."""


class TrainingError(UcmkdError):
    """A training run cannot give a number that means anything."""


class RecordError(UcmkdError):
    """Finished runs are missing, damaged or contradict each other."""
