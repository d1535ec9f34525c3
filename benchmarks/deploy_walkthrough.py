"""Run the commands of docs/deploy.md again and put their output into it.

python benchmarks/deploy_walkthrough.py --data DIR

Every line that starts with ``$`` in a block marked ``console`` is run, in order, in the folder
--work; what it prints replaces what stands below it. Retraining takes most of the time, and goes
on where it was stopped if the folder is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "deploy.md"
_BLOCK = re.compile(
    r"(?P<head>^```(?:console|\w+ title=\"(?P<file>[\w./-]+)\")\n)(?P<text>.*?)(?=^```$)",
    re.MULTILINE | re.DOTALL,
)

#: What a pipe gets in the place of a bar that moves.
_PROGRESS = re.compile(
    r"^(?:[^\n:]+: )?[\d,]+ of [\d,]+ (?:runs|steps|trials|subnets|networks)(?:, .*)?\n(?:left\n)?",
    re.MULTILINE,
)


def commands(text: str) -> list[str]:
    """The commands of a block, in order."""
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def run(command: str, folder: Path) -> str:
    """What a command prints, without trailing blanks.

    Raises:
        RuntimeError: if it fails: the page is about what works.
    """
    print(f"$ {command}", flush=True)
    started = time.perf_counter()
    environment = os.environ | {
        "COLUMNS": "100",
        "PYTHONWARNINGS": "ignore",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    shown = _PROGRESS.sub("", done.stdout).strip("\n")
    output = "\n".join(line.rstrip() for line in shown.splitlines())
    print(f"{output}\n[{time.perf_counter() - started:.0f} s]", flush=True)
    if done.returncode:
        raise RuntimeError(f"{command!r} ended with code {done.returncode}; the page is as it was")
    return output


def remade(page: str, folder: Path) -> str:
    """The page with the output of its commands as it is now.

    Blocks with a title are files that the commands find in ``folder``.
    """

    def block(match: re.Match[str]) -> str:
        if match["file"]:
            (folder / match["file"]).write_text(match["text"], "utf-8")
            return match[0]
        parts = [f"$ {command}\n{run(command, folder)}" for command in commands(match["text"])]
        return match["head"] + "\n\n".join(part.rstrip() for part in parts) + "\n"

    return _BLOCK.sub(block, page)


def main() -> None:
    """Remake the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10 as image folder")
    parser.add_argument("--work", type=Path, default=Path("bench-results/deploy"))
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    link = options.work / "cifar10"
    if not link.exists():
        link.symlink_to(options.data.resolve(), target_is_directory=True)
    text = remade(options.page.read_text("utf-8"), options.work)
    options.page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
