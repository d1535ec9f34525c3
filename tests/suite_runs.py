"""Small finished suites for tests of what reads results."""

from __future__ import annotations

from pathlib import Path

from mcu_nas_moo.benchmark.references import front_search
from mcu_nas_moo.benchmark.references.front_search import pooled_reference
from mcu_nas_moo.benchmark.runs.study import Run, Study
from mcu_nas_moo.problem.task import Task

PROBLEM = "mbconv-stage--cortex-m7--error-latency"


def small_searches(monkeypatch):
    """Let references that are made cost little, and let none be shipped."""
    monkeypatch.setattr(front_search, "SAMPLE", 400)
    monkeypatch.setattr(front_search, "EVOLUTION", 200)
    monkeypatch.setattr(front_search, "BATCH", 200)
    monkeypatch.setattr(front_search, "VARIATIONS", 1)
    monkeypatch.setattr(
        "mcu_nas_moo.benchmark.references.reference.shipped_folder", lambda: Path("none")
    )


def make_study(folder, algorithms=("random", "nsga2"), seeds=(0, 1), budget=60, **options):
    """A folder of finished runs on the default problem; returns the study."""
    task = options.pop("task", None) or Task()
    study = Study(folder, task, budget, **options)
    reference = study.reference() or pooled_reference(task)
    study.fix_reference(reference)
    runs = [Run(name, seed) for name in algorithms for seed in seeds]
    assert all(finished.problem is None for finished in study.run(runs, reference, 1))
    return study
