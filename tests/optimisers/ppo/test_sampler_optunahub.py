"""The package for OptunaHub's registry: made from this project, and independent of it."""

import ast
import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mcu_nas_moo import PPOSampler

ROOT = Path(__file__).parents[3]
#: What optunahub.load_module and load_local_module come down to.
OPTUNAHUB = """
import importlib.util
import os
import sys


def load_local_module(package, *, registry_root):
    name = os.path.basename(package)
    path = os.path.join(registry_root, package, "__init__.py")
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_module(package):
    return load_local_module(package, registry_root="package")
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    runpy.run_path(str(ROOT / "docs" / "optunahub" / "build.py"))["build"](folder)
    (folder / "optunahub.py").write_text(OPTUNAHUB)
    # A package of this name would be found before the installed one, and cannot be imported.
    (folder / "mcu_nas_moo.py").write_text("raise ImportError('must not be needed')")
    return folder


def run(registry, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=registry,
        env=environment | {"PYTHONPATH": str(registry)},
        capture_output=True,
        text=True,
        timeout=240,
    )


def front_of(output):
    return [ast.literal_eval(line.rsplit(" ", 1)[0]) for line in output.splitlines()]


def test_the_example_runs_by_itself(registry):
    result = run(registry, "package/samplers/ppo/example.py")
    assert result.returncode == 0, result.stderr
    front = front_of(result.stdout)
    assert all(float(line.rsplit(" ", 1)[1]) <= 120 for line in result.stdout.splitlines())
    # More kinds are worth having only for more value.
    assert len(front) >= 3
    assert front == sorted(front, key=lambda values: values[1])


def test_the_tests_of_the_package_pass(registry):
    path = "package/samplers/ppo/tests"
    result = run(registry, "-m", "pytest", "-q", path, "-k", "test_int or constraints or mixed")
    assert result.returncode == 0, result.stdout
    assert re.search(r"\b13 passed", result.stdout)


def test_files_are_those_of_the_registry(registry):
    folder = registry / "package" / "samplers" / "ppo"
    names = {path.name for path in folder.iterdir()}
    assert names >= {"__init__.py", "README.md", "LICENSE", "example.py", "requirements.txt"}
    assert not names & {"build.py", "registry-ruff.toml", "typing.py", "algorithm.py"}
    assert (folder / "LICENSE").read_text().startswith("MIT License")
    required = (folder / "requirements.txt").read_text()
    assert "stable-baselines3>=" in required
    assert "pymoo" not in required
    for path in folder.glob("*.py"):
        assert "import mcu_nas_moo" not in path.read_text()
        assert "from mcu_nas_moo" not in path.read_text()


def test_the_readme_is_as_the_registry_wants_it(registry):
    text = (registry / "package" / "samplers" / "ppo" / "README.md").read_text()
    _, matter, body = text.split("---\n", maxsplit=2)
    front_matter = yaml.safe_load(matter)
    assert set(front_matter) == {
        *("author", "title", "description", "tags", "optuna_versions", "license")
    }
    assert "sampler" in front_matter["tags"]
    assert front_matter["license"] == "MIT License"
    headings = re.findall(r"^## (.*)$", body, flags=re.MULTILINE)
    assert headings == ["Abstract", "APIs", "Installation", "Example"]
    assert not re.search(r"</?[a-z]+[ >]", body)
    for name in inspect.signature(PPOSampler).parameters:
        assert f"- `{name}`: " in body
    (code,) = re.findall(r"```python\n(.*?)```", body, flags=re.DOTALL)
    result = run(registry, "-c", code.replace("n_trials=300", "n_trials=20"))
    assert result.returncode == 0, result.stderr
