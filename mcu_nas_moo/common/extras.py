"""Packages that only some parts need: extras of the project, each with its install command."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import a package, or a module of it, that belongs to an extra of the project.

    Raises:
        InputError: if it is not installed; the message is the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the package is there, but something that it needs is not
        package = module.partition(".")[0]
        raise InputError(
            f"this step needs {package}; install it with: pip install 'mcu-nas-moo[{extra}]'"
        ) from None
