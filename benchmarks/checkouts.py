"""Other checkouts of this repository, such as older ones, for comparisons with this one."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

#: This checkout.
HERE = Path(__file__).parents[1]


def entry_point(checkout: Path, program: str) -> tuple[str, str]:
    """Module and function of a command."""
    setup = configparser.ConfigParser()
    setup.read(checkout / "setup.cfg", encoding="utf-8")
    for line in setup["options.entry_points"]["console_scripts"].split("\n"):
        name, _, target = line.partition("=")
        if name.strip() == program:
            module, _, function = target.strip().partition(":")
            return module, function
    raise LookupError(f"{checkout}/setup.cfg has no command {program}")


def environment(checkout: Path) -> dict[str, str]:
    """Variables with which a Python process imports the package of the checkout.

    Modules are compiled once, as they are for users, even where the caller keeps no bytecode.
    """
    variables = {"PYTHONPATH": str(checkout.resolve()), "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **variables}
