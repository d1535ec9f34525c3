"""Firmware on a core that Unicorn emulates, in a process of its own.

Unicorn's library is under the GNU GPL, version 2; this package only starts a program that uses it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.deployment.emulation.emulator import PATIENCE, EmulatedRun, check, run_in_folder
from mcu_nas_moo.deployment.emulation.unicorn_core import CORES, COUNTS, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from mcu_nas_moo.deployment.firmware.memory_map import MemoryMap


@dataclass(frozen=True)
class Unicorn:
    """A core with exactly the chip's memories: an access outside them is a fault.

    Instructions of one image are counted, exactly. Exceptions, interrupts and SysTick do not exist
    in it.
    """

    core: str
    uses_board = False

    @property
    def title(self) -> str:
        """Name and version."""
        return f"Unicorn {version('unicorn')}"

    @property
    def emulated_core(self) -> str:
        """What stands in for the core."""
        return CORES[self.core]

    def run(
        self,
        elf: Path,
        memory: MemoryMap,
        images: npt.NDArray[np.uint8],
        classes: int,
        advance: Callable[[int], object] = lambda count: None,
        patience: float = PATIENCE,
    ) -> EmulatedRun:
        """See ``Emulator``."""
        ended = run_in_folder(
            [
                sys.executable,
                *("-m", "mcu_nas_moo.deployment.emulation.unicorn_core"),
                str(elf.resolve()),
                CORES[self.core],
                *map(str, memory.model_dump().values()),
            ],
            images,
            classes,
            advance,
            patience,
        )
        if ended.code == REFUSED:
            raise InputError(ended.messages)
        outputs, statistics = check(ended, memory, len(images), classes)
        return EmulatedRun(
            outputs=outputs,
            statistics=statistics,
            instructions=json.loads(ended.files[COUNTS])["instructions"],
            instruction_resolution=1,
            mean_instructions=None,
            seconds=ended.seconds,
        )
