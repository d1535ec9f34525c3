"""Makes the package for OptunaHub's registry from the modules of this project.

``PPOSampler`` and every module that it needs are copied side by side, with imports among them made
relative, and put beside the files in this folder and the licence. The result can be submitted as
it is::

    python docs/optunahub/build.py --out build/optunahub

writes ``build/optunahub/package/samplers/ppo/``.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGE = "mcu_nas_moo"
START = f"{PACKAGE}.optimisers.ppo.sampler"
INIT = '''"""PPO as a sampler of Optuna."""

from .sampler import PPOSampler
from .settings import PPOSettings

__all__ = ["PPOSampler", "PPOSettings"]
'''


def main() -> None:
    """Build into the folder that ``--out`` names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "optunahub")
    print(build(parser.parse_args().out))


def build(out: Path) -> Path:
    """Write the package below ``out``, in place of an earlier one, and return its folder."""
    folder = out / "package" / "samplers" / "ppo"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        HERE, folder, ignore=shutil.ignore_patterns("build.py", "registry-ruff.toml", "__pycache__")
    )
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    modules = needed_modules(START)
    names = [flat_name(module) for module in modules]
    if len(set(names)) < len(names):
        raise ValueError(f"modules of equal name cannot stand side by side: {sorted(names)}")
    for module, name in zip(modules, names, strict=True):
        text = source_of(module).read_text(encoding="utf-8")
        (folder / f"{name}.py").write_text(relative(text), encoding="utf-8")
    (folder / "__init__.py").write_text(INIT, encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join(requirements(modules)) + "\n")
    in_registry_style(folder)
    return folder


def needed_modules(start: str) -> list[str]:
    """``start`` and the modules of this project that it imports, directly or not."""
    found, todo = set(), [start]
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo += [name for name in imports_of(module) if name.startswith(f"{PACKAGE}.")]
    return sorted(found)


def imports_of(module: str) -> set[str]:
    """Names of the modules that are imported anywhere in a module."""
    names = set()
    for node in ast.walk(ast.parse(source_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def source_of(module: str) -> Path:
    """The file of a module of this project."""
    return ROOT / Path(*module.split(".")).with_suffix(".py")


def flat_name(module: str) -> str:
    """The name of a module where all stand side by side."""
    return module.rsplit(".", maxsplit=1)[-1]


def relative(text: str) -> str:
    """The source text of a module with relative imports."""
    return re.sub(
        rf"^(\s*)from ({PACKAGE}[\w.]*) import",
        lambda match: f"{match[1]}from .{flat_name(match[2])} import",
        text,
        flags=re.MULTILINE,
    )


def requirements(modules: list[str]) -> list[str]:
    """Requirements of this project that the modules import, with their versions."""
    imported = {name.split(".")[0] for module in modules for name in imports_of(module)}
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return [
        line
        for line in settings["options"]["install_requires"].split()
        if re.split(r"[<>=~!]", line)[0].replace("-", "_") in imported
    ]


def in_registry_style(folder: Path) -> None:
    """Sort the imports and break the lines as the registry's checks want it, with ruff."""
    if find_spec("ruff") is None:
        print("ruff is not installed: imports and lines are not in the registry's style")
        return
    settings = ["--quiet", "--no-cache", "--config", str(HERE / "registry-ruff.toml")]
    for command in (["check", "--fix"], ["format"]):
        arguments = [sys.executable, "-m", "ruff", *command, *settings, str(folder)]
        subprocess.run(arguments, check=True)


if __name__ == "__main__":
    main()
