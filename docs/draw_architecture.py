"""Draws `docs/architecture.svg`: the packages in their layers, and who imports from whom.

Layers are those of the contract in `pyproject.toml`, imports those of the import graph, texts the
first lines of the packages::

    python docs/draw_architecture.py
"""

from __future__ import annotations

import argparse
import ast
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grimp
import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[1]
PACKAGE = "mcu_nas_moo"
#: Height of a package and of the gap between two layers, width of the boxes and of a cell.
ROW, GAP, BOX, CELL = 1.0, 0.26, 12.2, 0.78
INK, FAINT, LINE, PAPER = "#16324f", "#5b6f82", "#c9d6e2", "#f4f8fb"
SHADES = LinearSegmentedColormap.from_list("imports", ["#dcebf5", "#5d9bc7", "#17507f"])


class Package(NamedTuple):
    """A package as it is drawn."""

    name: str
    about: str
    lines: int
    parts: dict[str, int]  # lines of the packages inside


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "architecture.svg")
    options = parser.parse_args(arguments)
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": PACKAGE})
    figure = picture(layers(), imports())
    metadata = {"Date": None} if options.out.suffix == ".svg" else {}
    figure.savefig(options.out, metadata=metadata)


def layers() -> list[list[Package]]:
    """The packages of each layer, from the top."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = setup["tool"]["importlinter"]["contracts"]
    (names,) = (one["layers"] for one in contracts if one.get("containers") == [PACKAGE])
    return [[package(name.strip()) for name in layer.split("|")] for layer in names]


def package(name: str) -> Package:
    """Facts of a package, from its source."""
    folder = ROOT / PACKAGE / name
    first = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    parts = sorted(path.parent for path in folder.glob("*/__init__.py"))
    return Package(
        name,
        (first or "").split("\n", maxsplit=1)[0],
        lines_in(folder),
        {part.name: lines_in(part) for part in parts},
    )


def lines_in(folder: Path) -> int:
    """Lines of Python below a folder."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))


def imports() -> Counter[tuple[str, str]]:
    """Number of imports between two packages: the importing, the imported."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    pairs = (
        (module.split(".")[1], other.split(".")[1])
        for module in graph.modules - {PACKAGE}
        for other in graph.find_modules_directly_imported_by(module) - {PACKAGE}
    )
    return Counter(pair for pair in pairs if pair[0] != pair[1])


def picture(floors: list[list[Package]], counts: Counter[tuple[str, str]]) -> Figure:
    """Boxes on the left, beside them the number of imports from each package."""
    packages = [one for floor in floors for one in floor]
    tops: dict[str, float] = {}
    y = 0.0
    for floor in floors:
        for one in floor:
            tops[one.name] = y
            y += ROW
        y += GAP
    left = BOX + 0.5
    width, height = left + CELL * len(packages) + 0.9, y + 3.1
    figure = Figure(figsize=(width * 0.62, height * 0.62))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.3, width), ylim=(y + 0.35, -2.75))
    axes.axis("off")
    total = sum(one.lines for one in packages)
    axes.text(0, -2.1, PACKAGE, fontsize=19, weight="bold", color=INK, va="center")
    axes.text(
        0,
        -1.2,
        f"{len(packages)} packages in {len(floors)} layers, {total:,} lines of Python.\n"
        "Each imports from those below it alone.",
        fontsize=10.5,
        color=FAINT,
        va="center",
        linespacing=1.5,
    )
    for floor in floors:
        frame(axes, tops[floor[0].name], len(floor))
        for one in floor:
            box(axes, one, tops[one.name])
    matrix(axes, [one.name for one in packages], tops, counts, left)
    return figure


def frame(axes: Axes, top: float, rows: int) -> None:
    """The background of a layer."""
    shape = FancyBboxPatch(
        (0, top + 0.04),
        BOX,
        rows * ROW - 0.08,
        boxstyle="round,pad=0,rounding_size=0.14",
        facecolor=PAPER,
        edgecolor=LINE,
        linewidth=1.1,
    )
    axes.add_patch(shape)
    for row in range(1, rows):
        axes.plot([0.25, BOX - 0.25], [top + row * ROW] * 2, color=LINE, lw=0.9, ls=(0, (4, 3)))


def box(axes: Axes, one: Package, top: float) -> None:
    """Name, purpose, size and parts of a package."""
    axes.text(0.3, top + 0.31, one.name, fontsize=12.5, weight="bold", color=INK, va="center")
    axes.text(
        BOX - 0.3, top + 0.31, f"{one.lines:,}", fontsize=10, color=INK, ha="right", va="center"
    )
    axes.text(0.3, top + 0.7, one.about, fontsize=8, color=FAINT, va="center")
    parts = " · ".join(f"{name} {lines:,}" for name, lines in one.parts.items())
    axes.text(2.65, top + 0.32, parts, fontsize=8, color="#17507f", va="center")


def matrix(
    axes: Axes,
    names: list[str],
    tops: dict[str, float],
    counts: Counter[tuple[str, str]],
    left: float,
) -> None:
    """Number of imports: a row for the importing package, a column for the imported one."""
    shade = LogNorm(1, max(counts.values()))
    axes.text(left, -2.1, "Imports, from each package on the left", fontsize=10.5, color=FAINT)
    upwards = sum(counts[one, other] for n, one in enumerate(names) for other in names[:n])
    axes.text(
        left + CELL * 3.5,
        tops[names[-3]] - GAP / 2,
        f"{upwards or 'no'} imports lead upwards",
        fontsize=9.5,
        style="italic",
        color=FAINT,
        ha="center",
        va="center",
    )
    for number, name in enumerate(names):
        x, y = left + CELL * (number + 0.5), tops[name] + ROW / 2
        axes.text(x - 0.2, -0.2, name, fontsize=9, color=INK, rotation=50, ha="left", va="bottom")
        axes.plot([x, x], [-0.15, y], color="#e4ecf2", lw=0.9, zorder=0)
        axes.plot(
            [BOX, left + CELL * (len(names) - 0.5)], [y, y], color="#e4ecf2", lw=0.9, zorder=0
        )
        for other in range(len(names)):
            times = counts[name, names[other]]
            if other == number or times:
                cell(axes, left + CELL * other, tops[name], times, shade)


def cell(axes: Axes, x: float, top: float, times: int, shade: LogNorm) -> None:
    """One number; none on the diagonal."""
    colour = SHADES(shade(times)) if times else "#ffffff"
    shape = FancyBboxPatch(
        (x + 0.05, top + 0.17),
        CELL - 0.1,
        ROW - 0.34,
        boxstyle="round,pad=0,rounding_size=0.09",
        facecolor=colour,
        edgecolor="none" if times else LINE,
        linewidth=1.1,
    )
    axes.add_patch(shape)
    if times:
        dark = float(shade(times)) > 0.45
        axes.text(
            x + CELL / 2,
            top + ROW / 2 + 0.01,
            f"{times}",
            fontsize=9,
            color="white" if dark else INK,
            ha="center",
            va="center",
        )


if __name__ == "__main__":
    main()
