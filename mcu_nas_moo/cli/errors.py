"""How commands answer bad input: one line on stderr and exit code 2."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class InputError(click.ClickException):
    """Something that the user gave is wrong. Shown as ``Error: ...`` without a traceback."""

    exit_code = 2


def bad_input_in_one_line(
    command: Callable[Arguments, Result],
) -> Callable[Arguments, Result]:
    """Decorate a command so that a ValueError or OSError ends it with one line and exit code 2."""

    @wraps(command)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except (ValueError, OSError) as error:
            raise InputError(" ".join(str(error).split())) from error

    return guarded
