"""What users bring themselves: objects named ``module:Name``, files, and how both are recognised.

A part of a user's (an optimiser, a space, an evaluator, a problem) comes in by the name of an
importable object, or by a name that an installed package announces as an entry point of the group
``mcu_nas_moo.<kind>``::

    [project.entry-points."mcu_nas_moo.optimisers"]
    their-search = "their_package.search:TheirSearch"
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from difflib import get_close_matches
from functools import cache
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from mcu_nas_moo.common.code_fingerprint import code_fingerprint
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import checksum
from mcu_nas_moo.common.yaml_files import Facts

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@cache
def announced(group: str) -> dict[str, EntryPoint]:
    """What installed packages announce under ``mcu_nas_moo.<group>``, by name."""
    from importlib.metadata import entry_points  # takes a while to load

    return {point.name: point for point in entry_points(group=f"mcu_nas_moo.{group}")}


def is_users(name: str, group: str) -> bool:
    """Whether ``name`` has the form ``module:Name``, or an installed package announces it."""
    return ":" in name or name in announced(group)


def describe(name: str, group: str) -> str:
    """One line about a user's object; imports nothing of it."""
    point = announced(group).get(name)
    if point is None:
        return name
    package = "" if point.dist is None else f" of {point.dist.name} {point.dist.version}"
    return f"{point.value}{package}"


def look_in(folder: Path) -> None:
    """Let modules be imported from ``folder`` as well, after all other places."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def find(name: str, group: str, what: str) -> Any:
    """The object of that name; the current folder counts as a place of modules.

    Args:
        name: ``module:Name``, or announced under ``group``.
        group: without ``mcu_nas_moo.``, such as ``spaces``.
        what: it is wanted for, as messages say it: "algorithm", "space".

    Raises:
        InputError: if there is none, or its module cannot be imported.
    """
    module_name, path = _place(name, group)
    if not module_name or not path:
        raise InputError(f"{what} {name!r} lacks a part; write module:Name, as in mine:MyClass")
    look_in(Path.cwd())
    invalidate_caches()
    try:
        found: Any = import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        raise InputError(
            f"cannot import {module_name!r} for {what} {name!r} ({one_line(error)}); modules are "
            "found among installed packages, in the folders of PYTHONPATH and in the current "
            f"folder: start the command where {module_name.partition('.')[0]}.py lies"
        ) from error
    place = getattr(found, "__file__", None) or module_name
    for part in path.split("."):
        if not hasattr(found, part):
            nearest = get_close_matches(part, [n for n in vars(found) if n[0] != "_"], n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise InputError(f"{place} has no {part!r}, wanted for {what} {name!r}{hint}")
        found = getattr(found, part)
    return found


def made(name: str, group: str, what: str) -> Any:
    """The object of that name, or what the class or function of that name returns.

    Raises:
        InputError: if there is none, or the class or function fails without arguments.
    """
    found = find(name, group, what)
    if not isinstance(found, type) and not (callable(found) and hasattr(found, "__code__")):
        return found
    try:
        return found()
    except Exception as error:  # whatever the user's code raises
        raise InputError(
            f"{what} {name!r} cannot be made without arguments: "
            f"{failure(error, module_of(name, group))}"
        ) from error


def user_fingerprint(name: str, group: str, what: str) -> str:
    """Hash of what the module does, and of the package's version if one announced it.

    What the module imports is not followed.
    """
    point = announced(group).get(name)
    value = name if point is None else point.value
    digest = hashlib.sha256(value.encode())
    find(name, group, what)
    file = getattr(sys.modules[value.partition(":")[0]], "__file__", None)
    if file is not None and file.endswith(".py"):
        digest.update(code_fingerprint([Path(file).read_text(encoding="utf-8")]).encode())
    elif file is not None:  # compiled
        digest.update(Path(file).read_bytes())
    if point is not None and point.dist is not None:
        digest.update(f"{point.dist.name} {point.dist.version}".encode())
    return digest.hexdigest()


def one_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def failure(error: BaseException, module: str | None) -> str:
    """What an error says, on one line, and where in a module: the last line of it that ran."""
    source = getattr(sys.modules.get(module or ""), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == source]
    return f"{one_line(error)} ({Path(str(source)).name}:{lines[-1]})" if lines else one_line(error)


def module_of(name: str, group: str) -> str | None:
    """The module of a user's object; None if the name is none of a user's."""
    return _place(name, group)[0] if is_users(name, group) else None


def _place(name: str, group: str) -> tuple[str, str]:
    point = announced(group).get(name)
    module, _, path = (name if point is None else point.value).partition(":")
    return module, path


class UserFile(Facts):
    """A file of the user's that decides a problem.

    Args:
        file: its path; a relative one is seen from the folder of the file that names it.
        sha256: of its content.
    """

    file: str
    sha256: Hash

    @classmethod
    def of(cls, path: Path) -> UserFile:
        """The file at ``path``."""
        return cls(file=str(path.absolute()), sha256=checksum(path))

    def find(self, folder: Path) -> Path:
        """Where the file lies today: where it is said to, or in ``folder``, which names it.

        Raises:
            InputError: if it is at neither place, or is another one there.
        """
        places = [folder / self.file, folder / Path(self.file).name]
        found = [place for place in places if os.path.isfile(place)]
        for place in found:
            if checksum(place) == self.sha256:
                return place
        problem = "is not the file of then (its SHA-256 differs)" if found else "is missing"
        raise InputError(f"{(found or places)[0]} {problem}; put that file there or in {folder}")


class UserCode(Facts):
    """An object of the user's that decides a problem.

    Args:
        name: ``module:Name``, or of an entry point.
        sha256: of what its module does, see :func:`user_fingerprint`.
    """

    name: str
    sha256: Hash
