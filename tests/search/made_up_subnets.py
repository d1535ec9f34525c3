"""Subnets with figures of one's own choice."""

from __future__ import annotations

import numpy as np

from mcu_nas_moo.contracts.metrics import METRICS, VIOLATION
from mcu_nas_moo.problem.facts import ProblemFacts
from mcu_nas_moo.search.subnets import Subnets

FIGURES = tuple(name for name in METRICS if name != VIOLATION)

LIMITS = {"flash_kib": 100.0, "sram_kib": 50.0, "latency_ms": 10.0}


def made_up(objectives=("error", "latency"), **figures):
    """Subnets ``a1``, ``a2``, ...; costs that are not given are small, so that limits are met."""
    count = len(next(iter(figures.values())))
    metrics = {metric: np.full(count, 0.5) for metric in FIGURES}
    metrics |= {name: np.asarray(values, dtype=float) for name, values in figures.items()}
    metrics["accuracy"] = 1 - metrics["error"]
    problem = ProblemFacts(
        space="mbconv-stage",
        profile="a",
        objectives=objectives,
        limits=LIMITS,
        classes=10,
        fingerprint="f",
        fingerprints={"space": "s"},
    )
    return Subnets(
        problem,
        tuple(f"a{number}" for number in range(1, count + 1)),
        tuple({"depth": number} for number in range(count)),
        metrics,
        tuple(range(count)),
    )
