"""What answers at once loads no library that takes a while."""

import subprocess
import sys

import pytest

SLOW = {
    "concurrent.futures",
    "logging",
    "loky",
    "matplotlib",
    "multiprocessing",
    "numpy",
    "onnx",
    "optuna",
    "pandas",
    "plotly",
    "psutil",
    "pydantic",
    "pymoo",
    "rich",
    "scipy",
    "stable_baselines3",
    "subprocess",
    "tempfile",
    "torch",
    "yaml",
}
HELP = "import sys\nfrom {module} import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"


@pytest.mark.parametrize(
    "code",
    [
        HELP.format(module="mcu_nas_moo.cli.nas.main"),
        HELP.format(module="mcu_nas_moo.cli.bench.main"),
        "import sys, mcu_nas_moo\n",
    ],
    ids=["mcu-nas --help", "mcu-nas-bench --help", "import mcu_nas_moo"],
)
def test_nothing_slow_is_loaded(code):
    code += f"print(sorted({SLOW} & sys.modules.keys()), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_task_loads_neither_training_nor_tables():
    slow = {"matplotlib", "onnx", "optuna", "pandas", "plotly", "pymoo", "rich", "scipy", "torch"}
    code = (
        "import sys; from mcu_nas_moo import Task; task = Task(); task.evaluate(task.space.largest)"
        f"; print(sorted({slow} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
