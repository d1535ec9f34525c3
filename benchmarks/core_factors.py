"""How many cycles a core needs beside a Cortex-M7, and what power a board draws, from publications.

The facts stand in the package under ``hardware/calibration/published/``: the int8 image-
classification runs of MLPerf Tiny on Cortex-M without an accelerator (``mlperf_tiny.csv``),
networks of the ST model zoo, of which some ran on two boards under one version of the runtime
(``stm32_modelzoo.csv``), and figures of chip makers (``chips.csv``). Values are copied as printed.
Cycles are latency times clock. Two boards compare only where the same submitter ran the same
network under the same version of the same runtime in the same round; a factor is the median of such
ratios, and its range is part of the answer.

The figures in ``devices/*.yaml`` are those of this module, rounded; a test holds them together.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The Cortex-M7 board of MLPerf Tiny that others are compared with.
REFERENCE_BOARD = "NUCLEO-H7A3ZI-Q"
#: The Cortex-M7 board of the ST model zoo, which the runtimes of ST are fitted on.
ZOO_REFERENCE_BOARD = "STM32H747I-DISCO"
#: Of the runtimes that ran on several cores, the one that this project models, from the oldest
#: version that it models. Factors come from it alone where a board ran it.
_MODELLED_RUNTIME, _OLDEST_MODELLED_VERSION = "X-CUBE-AI", (7, 3)
#: Networks of the zoo that are the image-classification network of MLPerf Tiny, layer by layer.
_MLPERF_NETWORK = "mlperf_ic"
#: Supply of the boards, for estimates from a chip's current.
_SUPPLY_V = 3.3


class Spread(NamedTuple):
    """Median and range of ``n`` values."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """That of ``values``, of which there must be one at least."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1], len(ordered))


@dataclass(frozen=True)
class Run:
    """A published run of a network on a board.

    Args:
        round: of MLPerf Tiny, or ``model zoo``.
        submitter: who measured.
        runtime: with its version, as printed.
        network: which one ran.
        board: as printed.
        freq_mhz: clock of the core.
        latency_ms: of one inference.
        energy_uj: of one inference; None if not measured.
        energy_latency_ms: of one inference while energy was measured; None if not printed.
    """

    round: str
    submitter: str
    runtime: str
    network: str
    board: str
    freq_mhz: float
    latency_ms: float
    energy_uj: float | None = None
    energy_latency_ms: float | None = None

    @property
    def megacycles(self) -> float:
        """Clock cycles of one inference, in millions."""
        return self.latency_ms * self.freq_mhz / 1000

    @property
    def power_mw(self) -> float | None:
        """Mean power of one inference; None where energy was not measured."""
        if self.energy_uj is None:
            return None
        return self.energy_uj / (self.energy_latency_ms or self.latency_ms)

    @property
    def conditions(self) -> tuple[str, str, str, str]:
        """What two runs must share to be compared; v9.0 and v9.0.0 are one version."""
        runtime = re.sub(r"(\.0)+$", "", self.runtime)
        return self.round, self.submitter, runtime, self.network

    def on(self, board: str) -> bool:
        """Whether the run was on ``board``, however its name was written."""
        return _normalised(self.board) == _normalised(board)

    @property
    def is_modelled(self) -> bool:
        """Whether the runtime is one that this project models on several cores."""
        name, _, version = self.runtime.partition(" v")
        if name != _MODELLED_RUNTIME:
            return False
        return tuple(int(part) for part in version.split(".")[:2]) >= _OLDEST_MODELLED_VERSION


def _normalised(board: str) -> str:
    """A board's name without the ways of writing it; -Q only says which regulator the chip has."""
    return board.upper().replace("_", "-").removesuffix("-Q")


def _table(name: str) -> list[dict[str, str]]:
    file = files("mcu_nas_moo.hardware.calibration") / "published" / name
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


@cache
def mlperf_runs() -> tuple[Run, ...]:
    """The runs of MLPerf Tiny, in the order of the table: oldest round first."""
    return tuple(
        Run(
            round=row["round"],
            submitter=row["submitter"],
            runtime=row["runtime"],
            network=_MLPERF_NETWORK,
            board=row["board"],
            freq_mhz=float(row["freq_mhz"]),
            latency_ms=float(row["latency_ms"]),
            energy_uj=float(row["energy_uj"]) if row["energy_uj"] else None,
            energy_latency_ms=(
                float(row["energy_run_latency_ms"]) if row["energy_run_latency_ms"] else None
            ),
        )
        for row in _table("mlperf_tiny.csv")
    )


@cache
def zoo_runs() -> tuple[Run, ...]:
    """Runs of the ST model zoo whose latencies may be used."""
    return tuple(
        Run(
            round="model zoo",
            submitter="STMicroelectronics",
            runtime=f"{_MODELLED_RUNTIME} v{row['runtime'].removeprefix('stm32cube-ai-')}",
            network=row["network"],
            board=row["board"],
            freq_mhz=float(row["clock_mhz"]),
            latency_ms=float(row["latency_ms"]),
        )
        for row in _table("stm32_modelzoo.csv")
        if row["latency_ms"] and "latency_ms" not in row["left_out"].split()
    )


def cycle_ratios(runs: Iterable[Run], board: str, reference: str) -> dict[Run, float]:
    """Cycles of ``board`` over those of ``reference``, for each run that has a counterpart.

    Of several runs of one board under the same conditions the fastest counts: the others are builds
    that save memory.
    """
    fastest: dict[tuple[tuple[str, str, str, str], str], Run] = {}
    for run in sorted(runs, key=lambda run: -run.latency_ms):
        fastest[run.conditions, _normalised(run.board)] = run
    ratios = {}
    for (conditions, name), run in fastest.items():
        counterpart = fastest.get((conditions, _normalised(reference)))
        if name == _normalised(board) and counterpart is not None:
            ratios[run] = run.megacycles / counterpart.megacycles
    return ratios


def core_factor(board: str, every_runtime: bool = False) -> Spread:
    """Cycles that the core of an MLPerf Tiny board needs for one of the reference board.

    Args:
        board: as in MLPerf Tiny.
        every_runtime: count all runtimes, not only the one that this project models. A board that
            never ran that one is always compared under all.

    Raises:
        InputError: if the board has no run to compare.
    """
    ratios = cycle_ratios(mlperf_runs(), board, REFERENCE_BOARD)
    if not ratios:
        raise InputError(
            f"no run on {board!r} can be compared with {REFERENCE_BOARD}: none by the same "
            "submitter with the same runtime in the same round"
        )
    modelled = [ratio for run, ratio in ratios.items() if run.is_modelled]
    return Spread.of(ratios.values() if every_runtime or not modelled else modelled)


def zoo_factor(board: str) -> Spread:
    """The same for a board of the ST model zoo, against :data:`ZOO_REFERENCE_BOARD`."""
    return Spread.of(cycle_ratios(zoo_runs(), board, ZOO_REFERENCE_BOARD).values())


def reference_agreement() -> Spread:
    """Cycles of the reference of MLPerf Tiny over those of the reference of the zoo.

    Both ran the same network under the same versions of the runtime of ST.
    """
    zoo = {
        run.runtime: run.megacycles
        for run in zoo_runs()
        if run.on(ZOO_REFERENCE_BOARD) and run.network == _MLPERF_NETWORK
    }
    return Spread.of(
        run.megacycles / zoo[run.runtime]
        for run in mlperf_runs()
        if run.on(REFERENCE_BOARD) and run.submitter == "STMicroelectronics" and run.runtime in zoo
    )


def factor_across_runtimes(board: str) -> Spread:
    """Cycles of a board over those of the reference under other runtimes, in the same round.

    For a board that nobody ran together with the reference. The runtimes differ, so this is an
    estimate.
    """
    rounds = defaultdict(list)
    for run in mlperf_runs():
        if run.on(REFERENCE_BOARD):
            rounds[run.round].append(run)
    ratios = []
    for run in mlperf_runs():
        if run.on(board):
            fastest = {
                other.conditions: other.megacycles
                for other in sorted(rounds[run.round], key=lambda other: -other.latency_ms)
            }
            ratios += [run.megacycles / megacycles for megacycles in fastest.values()]
    return Spread.of(ratios)


def measured_power_mw(board: str) -> float:
    """Power of a board of MLPerf Tiny in the newest round that measured its energy.

    Raises:
        InputError: if none did.
    """
    powers = [run.power_mw for run in mlperf_runs() if run.on(board) and run.power_mw is not None]
    if not powers:
        raise InputError(f"MLPerf Tiny holds no energy of {board!r}")
    return powers[-1]


def estimated_power_mw(chip: str, clock_mhz: float, supply_v: float = _SUPPLY_V) -> float:
    """Power from the current that the maker of a chip states for run mode.

    Inference draws more than the maker's test loop: see ``docs/cost-model.md``.

    Raises:
        InputError: if the current of the chip is not known.
    """
    current = {row["chip"]: row["run_current_ua_per_mhz"] for row in _table("chips.csv")}
    if not current.get(chip):
        raise InputError(f"measurements/chips.csv holds no run-mode current of {chip!r}")
    return float(current[chip]) * clock_mhz * supply_v / 1000
