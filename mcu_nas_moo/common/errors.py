"""The one error for input that cannot be used: a file, an option, an argument."""

from __future__ import annotations


class InputError(ValueError):
    """Something that the user gave is wrong.

    Its message is one line that names file and field where there are any, what was expected, and
    the remedy. Commands show it without a traceback and end with exit code 2; any other error is
    a fault of the program.
    """


class DamagedFileError(InputError):
    """A file is cut, altered or of another kind than expected; nothing of it is used."""
