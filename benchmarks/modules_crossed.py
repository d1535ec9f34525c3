"""Modules that ``mcu-nas search`` crosses with its space up to the end of the first evaluation.

Whoever wants to know what a search does with its space has to read these modules, in this order. A
crossing is a call from one module of the package into another, directly or by way of a library.
Floors are those of the contract in `pyproject.toml`, from 0 on the ground; modules of the first
edition have the floors of the packages that they moved to. What runs while modules are imported
does not count::

    git clone . /tmp/before && git -C /tmp/before checkout f916dd3
    python benchmarks/modules_crossed.py --against /tmp/before
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grimp
import networkx as nx
from checkouts import HERE, entry_point, environment
from markdown_table import markdown_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

PACKAGE = "mcu_nas_moo"
RESULT = HERE / "benchmarks" / "results" / "modules_crossed.md"
SEARCH = ("search", "--budget", "1", "--out", "found")
#: Where a network is evaluated, today and in the first edition.
EVALUATION = (("problem.task", "metrics"), ("task", "metrics"))
#: Floors of modules of the first edition, whose packages were cut otherwise; longest name first.
FIRST_EDITION = {
    "accuracy.card": "problem",
    "accuracy.data": "data",
    "accuracy.fitting": "problem",
    "accuracy.predictor": "problem",
    "bench.reachability": "problem",
    "bench.task_facts": "problem",
    "costs": "hardware",
    "discrete": "common",
    "extras": "common",
    "files": "common",
    "learned_costs": "problem",
    "mlp": "problem",
    "naming": "common",
    "profiles": "hardware",
    "selection.subnet_file": "spaces",
    "typing": "common",
    "yaml_files": "common",
    "accuracy": "training",
    "adapter": "problem",
    "analysis": "benchmark",
    "archive": "problem",
    "bench": "benchmark",
    "enumeration": "benchmark",
    "objective": "problem",
    "operators": "problem",
    "ppo": "optimisers",
    "report": "benchmark",
    "results": "benchmark",
    "selection": "search",
    "task": "problem",
}


class Crossing(NamedTuple):
    """A call from one module into another."""

    caller: str
    called: str
    direct: bool  # not by way of a library that calls back


class Way(NamedTuple):
    """What a search crosses."""

    floors: dict[str, int]  # of the modules, in the order in which they are entered
    crossings: list[Crossing]
    in_circles: int  # modules of the whole package that import one another in a circle

    def climbs(self, direct: bool) -> list[Crossing]:
        """Crossings to a floor above the caller's."""
        up = [one for one in self.crossings if self.floors[one.called] > self.floors[one.caller]]
        return [one for one in up if one.direct == direct]


def main(arguments: Sequence[str] | None = None) -> None:
    """Trace the searches and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--against", type=Path, help="another checkout, such as an older one")
    parser.add_argument("--out", type=Path, default=RESULT, help="Markdown file to write")
    parser.add_argument("--trace", type=Path, help=argparse.SUPPRESS)  # what the child writes
    options = parser.parse_args(arguments)
    if options.trace is not None:
        trace(options.trace)
        return
    ways = {} if options.against is None else {"before": way_in(options.against)}
    ways["now"] = way_in(HERE)
    text = report(ways)
    options.out.write_text(text, encoding="utf-8")
    print(text)


def way_in(checkout: Path) -> Way:
    """Run a search with the package of a checkout and follow it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "way.json"
        command = [sys.executable, __file__, "--trace", str(out)]
        done = subprocess.run(
            command, cwd=folder, env=environment(checkout), check=False, capture_output=True
        )
        # The exit status says whether the one network fits, which is of no interest here.
        assert out.exists(), done.stderr.decode()
        found = json.loads(out.read_text(encoding="utf-8"))
    crossings = [Crossing(*one) for one in found["crossings"]]
    names = dict.fromkeys(name for one in crossings for name in (one.caller, one.called))
    return Way({name: floor_of(name) for name in names}, crossings, found["in_circles"])


def trace(out: Path) -> None:
    """Run the search of the package that is importable, and write what it crosses."""
    package = import_module(PACKAGE)
    module, function = entry_point(Path(package.__file__ or "").parents[1], "mcu-nas")
    program = getattr(import_module(module), function)
    crossings: list[Crossing] = []

    def watch(frame: FrameType, event: str, argument: object) -> None:
        name = name_of(frame)
        if event == "return" and (name, frame.f_code.co_name) in EVALUATION:
            sys.setprofile(None)
        elif event == "call" and name:
            caller, direct = caller_of(frame)
            if caller not in ("", name):
                crossings.append(Crossing(caller, name, direct))

    sys.setprofile(watch)
    try:
        program(list(SEARCH))
    finally:
        sys.setprofile(None)
        text = json.dumps({"crossings": crossings, "in_circles": modules_in_circles()})
        out.write_text(text, encoding="utf-8")


def modules_in_circles() -> int:
    """Number of modules of the package that lead back to themselves by their imports."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    imports = nx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    return sum(len(group) for group in nx.strongly_connected_components(imports) if len(group) > 1)


def name_of(frame: FrameType) -> str:
    """Module of the package that a frame belongs to; nothing for other code."""
    package, _, module = str(frame.f_globals.get("__name__", "")).partition(".")
    return module if package == PACKAGE else ""


def caller_of(frame: FrameType) -> tuple[str, bool]:
    """Nearest module of the package up the stack, and whether it called; none while importing."""
    caller, direct = "", False
    up: FrameType | None = frame
    while up is not None:
        if (name := name_of(up)) and up.f_code.co_name == "<module>":
            return "", False
        if up is not frame and not caller:
            caller, direct = name, up is frame.f_back
        up = up.f_back
    return caller, direct


def floor_of(module: str) -> int:
    """Floor of a module, from the ground up."""
    setup = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = setup["tool"]["importlinter"]["contracts"]
    (floors,) = (one["layers"] for one in contracts if one.get("containers") == [PACKAGE])
    floors = [[name.strip() for name in floor.split("|")] for floor in reversed(floors)]
    first = [known for known in FIRST_EDITION if f"{module}.".startswith(f"{known}.")]
    package = FIRST_EDITION[first[0]] if first else module.partition(".")[0]
    (number,) = (number for number, names in enumerate(floors) if package in names)
    return number


def report(ways: dict[str, Way]) -> str:
    """A table of counts, and the modules in their order."""
    counts: dict[str, Callable[[Way], int]] = {
        "modules entered": lambda way: len(way.floors),
        "crossings": lambda way: len(way.crossings),
        "of these to a floor above, directly": lambda way: len(way.climbs(direct=True)),
        "of these to a floor above, called back by a library": lambda way: len(
            way.climbs(direct=False)
        ),
        "modules of the package in circles of imports": lambda way: way.in_circles,
    }
    rows = [(name, *(f"{count(way):,}" for way in ways.values())) for name, count in counts.items()]
    how = __doc__.replace("::", ":")
    text = f"# Modules that a search crosses\n\n{how}\n{markdown_table(('', *ways), rows)}"
    for title, way in ways.items():
        text += f"\n\n## {title.capitalize()}\n\n"
        numbered = enumerate(way.floors.items(), start=1)
        text += "\n".join(f"{n}. `{name}`, floor {floor}" for n, (name, floor) in numbered)
        for direct, how in ((True, "directly"), (False, "called back by a library")):
            pairs = Counter((one.caller, one.called) for one in way.climbs(direct))
            text += "".join(
                f"\n\nUp from `{caller}` to `{called}`, {how}: {times} times."
                for (caller, called), times in pairs.most_common()
            )
    return f"{text}\n"


if __name__ == "__main__":
    main()
