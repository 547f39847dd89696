"""Errors of the world outside, each one sentence that a person at a terminal can act on."""


class InfrastructureError(RuntimeError):
    """Something outside the process is missing, refuses, or is not as it must be.

    The text is one clear sentence without secrets, so a command may print it as it is.
    """
