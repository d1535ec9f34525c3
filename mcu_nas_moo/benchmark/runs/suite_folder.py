"""The folder of a suite: what was asked for, and what its runs are scored against."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from mcu_nas_moo.benchmark.references.reference import known_reference
from mcu_nas_moo.benchmark.runs.run import PACKAGES
from mcu_nas_moo.common.json_files import write_json
from mcu_nas_moo.common.workpool import cores
from mcu_nas_moo.optimisers.register import installed_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.benchmark.runs.study import Study
    from mcu_nas_moo.benchmark.runs.suite import PlannedProblem, SuiteFile

#: The file in the folder of a suite that says what was asked for.
SUITE_FILE = "suite.json"
#: Recorded beside what makes the runs: what scores them.
ANALYSIS_PACKAGES = ("moocore", "scipy", "pandas")


def write_record(
    folder: Path, suite: SuiteFile, text: str, planned: Sequence[PlannedProblem], command: str
) -> None:
    """Write ``suite.json``: command, the suite's file, budgets per problem, versions, machine.

    Args:
        folder: of the suite.
        suite: what was read.
        text: of its file, word for word.
        planned: the runs that follow from it.
        command: that makes them.
    """
    facts = {
        "name": suite.name,
        "description": suite.description,
        "command": command,
        "suite_file": text,
        "budgets": {entry.task.name: list(entry.counts) for entry in planned},
        "runs": {entry.task.name: entry.n_runs for entry in planned},
        "versions": {"python": platform.python_version()}
        | {package: installed_version(package) for package in PACKAGES + ANALYSIS_PACKAGES},
        "machine": {  # nothing personal
            "system": platform.system(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "cores_used": cores(),
        },
    }
    write_json(folder / SUITE_FILE, facts)


def reference_of_suite(studies: Sequence[Study]) -> Reference | None:
    """What runs of these studies, of one task, are to be scored against.

    The reference that is known of the task, else the first that a study keeps, else None.
    """
    kept = (study.reference() for study in studies)
    return known_reference(studies[0].task) or next(filter(None, kept), None)
