"""What a result depends on beside its settings: versions and the machine."""

from __future__ import annotations

import os
import platform
from typing import Any

from mcu_nas_moo.benchmark.runs.run import PACKAGES
from mcu_nas_moo.common.workpool import cores
from mcu_nas_moo.optimisers.register import installed_version

#: Recorded with every suite in addition: what scores the runs.
ANALYSIS_PACKAGES = ("moocore", "scipy", "pandas")


def versions(packages: tuple[str, ...] = PACKAGES + ANALYSIS_PACKAGES) -> dict[str, str]:
    """Versions of these packages and of Python."""
    return {"python": platform.python_version()} | {
        package: installed_version(package) for package in packages
    }


def machine() -> dict[str, Any]:
    """Kind of machine: operating system, processor family and cores; nothing personal."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "cores_used": cores(),
    }
