"""What PPO itself costs per trial of Optuna and per point, and whether that grows.

The problem has 25 integers of 6 values each, 2 objectives and 3 constraints, and costs almost
nothing to evaluate; trials are kept in memory. Each row is a process of its own with one thread.
"at 1,000" is the mean over trials 501 to 1,000, "at the end" over the last 500; the first trials
also load torch. CPU time is the measure, since it depends less than wall time on what else the
machine does; the load average that is printed beside it tells how busy that was.
Memory is the growth of the process from trial 1,000 to the end; Optuna keeps every trial, as
the row of ``random`` shows. Goals: at most 3 ms per trial and 1 ms per point, the same at the end
as at 1,000::

    python benchmarks/sampler_overhead.py --trials 10000

writes ``benchmarks/results/sampler_overhead.csv`` and ``.md``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from markdown_table import markdown_table

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes

N_GENES, N_OPTIONS = 25, 6
#: Trials that a mean is taken over.
WINDOW = 500
#: Trials after which the memory is first read, and "at 1,000" ends.
EARLY = 1000


@dataclass(frozen=True)
class Overhead:
    """One row: times in milliseconds per trial or point."""

    name: str
    trials: int
    first_cpu_ms: float
    early_cpu_ms: float
    last_cpu_ms: float
    early_wall_ms: float
    last_wall_ms: float
    memory_growth_mib: float
    sampler_kib: float


def main() -> None:
    """Measure all rows and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--trials", type=int, default=10_000, help=f"a multiple of {WINDOW}")
    parser.add_argument("--samplers", default="random,ppo,nsga2", help="of random, ppo, nsga2, tpe")
    parser.add_argument("--others-trials", type=int, help="trials of nsga2 and tpe; default: all")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    others = options.others_trials or options.trials
    if min(options.trials, others) < 2 * EARLY or options.trials % WINDOW or others % WINDOW:
        parser.error(f"trials must be multiples of {WINDOW}, and at least {2 * EARLY}")

    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    load = os.getloadavg()[0]
    rows = []
    for name in options.samplers.split(","):
        n = options.trials if name in {"random", "ppo"} else others
        rows.append(_alone(measure_sampler, name, n))
    rows.append(_alone(measure_core, "PPOOptimiser", options.trials))

    table = pd.DataFrame([asdict(row) for row in rows])
    options.output.mkdir(parents=True, exist_ok=True)
    table.round(3).to_csv(options.output / "sampler_overhead.csv", index=False)
    command = (
        f"python benchmarks/sampler_overhead.py --trials {options.trials} "
        f"--samplers {options.samplers} --others-trials {others}"
    )
    text = report(rows, command, load)
    (options.output / "sampler_overhead.md").write_text(text, encoding="utf-8")
    print(text)


def measure_sampler(name: str, n_trials: int) -> Overhead:
    """A study of Optuna in memory."""
    import optuna

    from mcu_nas_moo import PPOSampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = {
        "random": optuna.samplers.RandomSampler,
        "ppo": PPOSampler,
        "nsga2": optuna.samplers.NSGAIISampler,
        "tpe": optuna.samplers.TPESampler,
    }[name](seed=0)
    study = optuna.create_study(sampler=sampler, directions=["minimize", "minimize"])
    return _measured(
        f"{name} (Optuna, per trial)",
        n_trials,
        lambda n: study.optimize(_objective, n_trials=n),
        lambda: len(pickle.dumps(sampler)),
    )


def measure_core(name: str, n_points: int) -> Overhead:
    """Ask and tell without Optuna."""
    from mcu_nas_moo import PPOOptimiser

    optimiser = PPOOptimiser([N_OPTIONS] * N_GENES, 2, 3, seed=0)

    def advance(n: int) -> None:
        while n > 0:
            X = optimiser.ask()[:n]
            optimiser.tell(X, *_evaluate(X))
            n -= len(X)

    return _measured(f"{name} (per point)", n_points, advance, lambda: len(pickle.dumps(optimiser)))


def report(rows: list[Overhead], command: str, load: float) -> str:
    """The Markdown file; ``load`` is the load average of the machine before the measurement."""
    columns = (
        *("", "trials", "first 500", "at 1,000", "at the end", "at 1,000, wall"),
        *("at the end, wall", "memory growth MiB", "sampler KiB"),
    )
    cells = []
    for row in rows:
        times = (
            *(row.first_cpu_ms, row.early_cpu_ms, row.last_cpu_ms),
            *(row.early_wall_ms, row.last_wall_ms),
        )
        memory = f"{row.memory_growth_mib:.1f}", f"{row.sampler_kib:,.0f}"
        cells.append((row.name, f"{row.trials:,}", *(f"{ms:.2f}" for ms in times), *memory))
    about = (
        f"{N_GENES} integers of {N_OPTIONS} values, 2 objectives, 3 constraints, in memory, one "
        "thread. Milliseconds of CPU time per trial or point, including learning and Optuna's own "
        "share, which is the row `random`; `first 500` also loads torch. Memory is the growth of "
        f"the process from trial {EARLY:,} to the end, including the trials that Optuna keeps; "
        "`sampler` is the pickled size at the end, including every point it knows. Load average "
        f"of the machine before the measurement: {load:.1f} on {os.cpu_count()} cores."
    )
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("optuna", "torch", "stable-baselines3")
    )
    return (
        f"# Time and memory of the sampler itself\n\n{about} {packages}.\n\n"
        f"```\n{command}\n```\n\n{markdown_table(columns, cells)}\n"
    )


def _measured(
    name: str, n: int, advance: Callable[[int], None], size: Callable[[], int]
) -> Overhead:
    cpu, wall, memory = [], [], 0.0
    for done in range(0, n, WINDOW):
        if done == EARLY:
            memory = _memory_mib()
        started = process_time(), perf_counter()
        advance(WINDOW)
        cpu.append((process_time() - started[0]) / WINDOW * 1e3)
        wall.append((perf_counter() - started[1]) / WINDOW * 1e3)
    growth = _memory_mib() - memory
    early = EARLY // WINDOW - 1
    return Overhead(
        name, n, cpu[0], cpu[early], cpu[-1], wall[early], wall[-1], growth, size() / 1024
    )


def _objective(trial: optuna.Trial) -> tuple[float, ...]:
    X = np.array([[trial.suggest_int(f"x{g:02}", 0, N_OPTIONS - 1) for g in range(N_GENES)]])
    F, G = _evaluate(X)
    for k, value in enumerate(G[0].tolist()):
        trial.set_constraint(f"c{k}", value)
    return tuple(F[0].tolist())


def _evaluate(X: Genotypes) -> tuple[FloatArray, FloatArray]:
    """Two conflicting objectives, and a limit on the sum of each third of the genes."""
    x = X / (N_OPTIONS - 1)
    F = np.stack([(x**2).mean(axis=1), ((1 - x) ** 2).mean(axis=1)], axis=1)
    F[:, 0] += 0.2 * (np.diff(X, axis=1) % 2 != 0).mean(axis=1)
    return F, np.stack([x[:, k::3].mean(axis=1) / 0.55 - 1 for k in range(3)], axis=1)


def _memory_mib() -> float:
    """Largest resident memory of this process so far (KiB on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _alone(measure: Callable[[str, int], Overhead], name: str, n: int) -> Overhead:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, name, n).result()


if __name__ == "__main__":
    main()
