"""What the page's script draws, as plain data for JSON, small enough for one file."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.benchmark.report.appearance import axes_of
from mcu_nas_moo.contracts.metrics import VIOLATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.benchmark.analysis.ranks import Ranks
    from mcu_nas_moo.benchmark.analysis.runtimes import RuntimeDistribution
    from mcu_nas_moo.benchmark.report.appearance import Look
    from mcu_nas_moo.benchmark.report.figure_data import Attainment, Band, Fronts, Steps
    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.problem.task import Task

#: Metrics that the fronts do not show of a network; the accuracy says what the error says.
_NOT_SHOWN = ("error", "accuracy_std", VIOLATION)
#: Options of a gene are written as one character each, those beyond these from U+0100 on.
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MORE = 0x100


def overview_data(
    looks: Mapping[str, Look], ranks: Sequence[Ranks], runtimes: RuntimeDistribution
) -> dict[str, Any]:
    """Data of the part about all problems."""
    return {
        "looks": {
            name: {"colour": one.colour, "mark": one.plotly_mark, "line": one.plotly_line}
            for name, one in looks.items()
        },
        "ranks": [
            {
                "evaluations": one.evaluations,
                "algorithms": list(one.algorithms),
                "meanRanks": _rounded(one.mean_ranks),
                "criticalDifference": _number(one.critical_difference),
                "cliques": [list(clique) for clique in one.cliques],
                "notes": list(one.notes),
            }
            for one in ranks
        ],
        "runtimes": {
            "at": runtimes.evaluations.tolist(),
            "shares": {name: _rounded(shares) for name, shares in runtimes.shares.items()},
        }
        if runtimes.shares
        else None,
    }


def problem_data(
    analysis: Analysis,
    bands: Mapping[str, Band],
    functions: Mapping[str, Mapping[float | None, Steps]],
    fronts: Fronts,
    attainment: Attainment | None,
) -> dict[str, Any]:
    """Data of the part about one problem."""
    results = analysis.results
    task, reference = results.task, results.reference
    axes, names = axes_of(task), [metric.name for metric in _shown(task)]
    factors = np.array([axis.factor for axis in axes])
    kind = reference.kind
    known = reference.F[np.argsort(reference.F[:, -1], kind="stable")]
    noun = "network" if task.problem is None else "solution"
    note = (
        f"All seeds together after {fronts.evaluations:,} evaluations, beside the {kind} front of "
        f"{len(reference.F):,} {noun}s (grey). Point at a mark to see the {noun}."
    )
    if fronts.left_out:
        note += (
            f" {fronts.left_out:,} points of dense fronts are left out of the figure; "
            "no indicator is touched by that."
        )
    targets = sorted({t for own in functions.values() for t in own if t is not None})
    seeds = len(results.seeds)
    return {
        "title": results.title,
        "facts": f"{seeds} seed{'' if seeds == 1 else 's'}; {kind} reference front; algorithms "
        f"ordered by their median after {analysis.compared_at:,} evaluations.",
        "ranking": list(analysis.ranking),
        "budgets": list(results.budgets),
        "axes": [axis.label for axis in axes],
        "targets": targets,
        "anyTime": {
            name: {
                "at": band.evaluations.tolist(),
                "lower": _rounded(band.lower, 6),
                "median": _rounded(band.median, 6),
                "upper": _rounded(band.upper, 6),
            }
            for name, band in bands.items()
        },
        "reached": {
            name: {
                "all" if target is None else str(target): {
                    "at": steps.evaluations.tolist(),
                    "share": _rounded(steps.shares, 4),
                    "end": steps.end,
                }
                for target, steps in own.items()
            }
            for name, own in functions.items()
        },
        "genes": [
            {"name": gene.name, "options": list(gene.options)} for gene in results.task.space.genes
        ],
        # The error is what the accuracy lacks to 100 %.
        "objectives": [names.index(a.name) if a.name in names else None for a in axes],
        "metrics": [{"label": one.short, "unit": f" {one.unit}"} for one in _shown(task)],
        "networks": _networks(analysis, fronts),
        "reference": [_rounded(column) for column in (fronts.reference * factors).T],
        "fronts": {name: rows.tolist() for name, rows in fronts.rows.items()},
        "frontNote": note,
        "referenceLine": [_rounded(known[:, 1] * factors[1]), _rounded(known[:, 0] * factors[0])]
        if len(axes) == 2
        else None,
        "attainment": None
        if attainment is None
        else {
            "across": _rounded(attainment.across * factors[1], 6),
            "upwards": _rounded(attainment.upwards * factors[0], 6),
            "runs": {
                name: {"runs": attainment.runs[name], "columns": _packed(counts)}
                for name, counts in attainment.attaining.items()
            },
            "surfaces": {
                name: [_rounded(F[order, 1] * factors[1]), _rounded(F[order, 0] * factors[0])]
                for name, F in attainment.surfaces.items()
                for order in [np.argsort(F[:, 1], kind="stable")]
            },
        },
    }


def _networks(analysis: Analysis, fronts: Fronts) -> dict[str, Any]:
    task = analysis.results.task
    # An empty table has no metrics to ask for.
    metrics = task.metrics(fronts.X) if len(fronts.X) else {}
    active = task.space.active(fronts.X) if len(fronts.X) else fronts.X.astype(bool)
    return {
        "genes": [
            "".join(
                _letter(option) if used else "-" for option, used in zip(row, mask, strict=True)
            )
            for row, mask in zip(fronts.X.tolist(), active.tolist(), strict=True)
        ],
        "metrics": [
            _rounded(one.factor * metrics[one.name]) if metrics else [] for one in _shown(task)
        ],
    }


def _letter(option: int) -> str:
    return _DIGITS[option] if option < len(_DIGITS) else chr(_MORE + option)


def _shown(task: Task) -> list[Metric]:
    """What the fronts show of a network."""
    return [m for name, m in task.table.items() if name in task.told and name not in _NOT_SHOWN]


def _rounded(values: Iterable[float], digits: int = 5) -> list[float | None]:
    """Values with so many significant digits, NaN and infinity as None."""
    return [_number(value, digits) for value in np.asarray(values, dtype=np.float64).tolist()]


def _number(value: float, digits: int = 5) -> float | None:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def _packed(counts: np.ndarray) -> str:
    """Counts that never fall along a row, ``(u, a)`` with ``a`` below 256, in little space.

    For each row, and each number of runs from 1 to the largest of all, the first column where so
    many attain, or ``a`` if none: one byte each, row by row.
    """
    levels = np.arange(1, counts.max(initial=0) + 1)
    columns = (counts[:, :, None] < levels).sum(axis=1)
    return base64.b64encode(columns.astype(np.uint8).tobytes()).decode("ascii")
