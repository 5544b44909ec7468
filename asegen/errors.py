"""Errors that a user meets as one clear line; the command line ends with exit code 2."""


class AsegenError(Exception):
    """Any error whose message is meant for the user."""


class InputError(AsegenError):
    """What was asked for can't be done: a bad file, formula, option or device."""


class CheckpointError(AsegenError):
    """Weights that are missing, corrupt, foreign or of another format."""
