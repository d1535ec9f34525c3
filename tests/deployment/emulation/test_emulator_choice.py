import importlib.util

import pytest

from mcu_nas_moo.deployment.emulation import emulators
from mcu_nas_moo.deployment.emulation.emulators import Qemu, Unicorn, choose_emulator
from mcu_nas_moo.deployment.firmware.memory_map import BOARDS, board_of


@pytest.fixture
def installed(monkeypatch):
    """Say which emulators are installed."""

    def install(*names):
        monkeypatch.setattr(
            emulators.shutil, "which", lambda name: f"/bin/{name}" if "qemu" in names else None
        )
        find = importlib.util.find_spec
        monkeypatch.setattr(
            emulators.importlib.util,
            "find_spec",
            lambda name: (
                find("json" if "unicorn" in names else "no_such_module")
                if name == "unicorn"
                else find(name)
            ),
        )

    return install


@pytest.mark.parametrize(
    ("there", "core", "wanted", "chosen"),
    [
        (("qemu", "unicorn"), "cortex-m7", "auto", Qemu),
        (("unicorn",), "cortex-m7", "auto", Unicorn),
        (("qemu",), "cortex-m0plus", "auto", Qemu),
        (("qemu", "unicorn"), "cortex-m7", "unicorn", Unicorn),
        (("qemu", "unicorn"), "cortex-m55", "auto", Qemu),
        (("qemu", "unicorn"), "cortex-m3", "auto", Unicorn),  # the board is taken for the M0+
    ],
)
def test_task_evaluators(installed, there, core, wanted, chosen):
    installed(*there)
    assert isinstance(choose_emulator(core, wanted), chosen)


@pytest.mark.parametrize(
    ("there", "core", "wanted", "remedy"),
    [
        ((), "cortex-m7", "auto", r"pip install 'mcu-nas-moo\[firmware\]'$"),
        ((), "cortex-m7", "unicorn", r"pip install 'mcu-nas-moo\[firmware\]'$"),
        ((), "cortex-m7", "qemu", r"apt-get install qemu-system-arm$"),
        (("unicorn",), "cortex-m55", "auto", r"apt-get install qemu-system-arm$"),
        (("qemu", "unicorn"), "cortex-m55", "unicorn", r"Unicorn does not emulate the cortex-m55"),
        (("qemu",), "cortex-m3", "qemu", r"QEMU has no board for the cortex-m3"),
        (("qemu", "unicorn"), "cortex-m85", "auto", r"no emulator has a cortex-m85"),
        (("qemu",), "cortex-m7", "quemu", r"did you mean.*qemu"),
    ],
)
def test_what_is_missing_is_said(installed, there, core, wanted, remedy):
    installed(*there)
    with pytest.raises(ValueError, match=remedy):
        choose_emulator(core, wanted)


def test_instructions_per_tick_are_those_of_the_clocks():
    ticks = {board.machine: board.instructions_per_tick for board in BOARDS}
    assert ticks == {
        "mps2-an385": 40,
        "mps2-an386": 40,
        "mps2-an500": 40,
        "mps2-an505": 50,
        "mps3-an547": 31.25,
    }


def test_each_core_has_one_board_at_most():
    assert len({board.runs for board in BOARDS}) == len(BOARDS)
    assert board_of("cortex-m0plus").core == "cortex-m3"
    assert board_of("cortex-m85") is None
