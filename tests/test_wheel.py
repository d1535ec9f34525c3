"""What is installed elsewhere is whole: built through a source archive, away from the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
FOLDERS = ("mcu_nas_moo", "constraint_profiles", "benchmarks/reference_fronts")
REFERENCES = """
import mcu_nas_moo
from mcu_nas_moo.benchmark.references.reference import shipped_reference
print(mcu_nas_moo.__file__)
print(shipped_reference(mcu_nas_moo.Task()).kind)
print(mcu_nas_moo.AccuracyPredictor.load().fingerprint)
"""


def run(*command, cwd, **variables):
    """What a command says; it must succeed."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def wheel_of(source, out):
    """Build a wheel without the network."""
    arguments = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, "-m", "pip", *arguments, "--wheel-dir", out, source, cwd=out.parent)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def checkout(folder):
    """The files of the checkout that a build needs; building leaves things beside them."""
    copy = folder / "checkout"
    left_out = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=left_out)
    for name in NEEDED:
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout, folder):
    """A wheel built from an unpacked source archive."""
    build = "from setuptools import build_meta; build_meta.build_sdist('../archive')"
    (folder / "archive").mkdir()
    run(sys.executable, "-c", build, cwd=checkout)
    (archive,) = (folder / "archive").glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return wheel_of(folder / archive.name.removesuffix(".tar.gz"), folder / "wheel")


@pytest.fixture(scope="module")
def installed(wheel, folder):
    """A folder that the wheel is installed in."""
    target = folder / "installed"
    arguments = ("install", "--quiet", "--no-deps", "--no-index", "--target", target)
    run(sys.executable, "-m", "pip", *arguments, wheel, cwd=folder)
    return target


def files_in(wheel):
    names = ZipFile(wheel).namelist()
    return {name for name in names if name.startswith("mcu_nas_moo/")}


def test_every_file_of_the_package_is_in_the_wheel(checkout, wheel):
    # os.walk follows the links to the profiles and the reference fronts, which rglob does not.
    expected = {
        (Path(place) / name).relative_to(checkout).as_posix()
        for place, _, names in os.walk(checkout / "mcu_nas_moo", followlinks=True)
        for name in names
    }
    assert "mcu_nas_moo/py.typed" in expected
    assert sum(name.startswith("mcu_nas_moo/constraint_profiles/") for name in expected) >= 4
    assert sum(name.startswith("mcu_nas_moo/reference_fronts/") for name in expected) >= 16
    assert files_in(wheel) == expected


def test_without_the_archive_it_is_the_same_wheel(checkout, wheel, folder):
    assert files_in(wheel_of(checkout, folder / "direct")) == files_in(wheel)


def test_it_runs_where_it_is_installed(installed, tmp_path):
    elsewhere = {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(tmp_path)}
    said = run(sys.executable, "-c", REFERENCES, cwd=tmp_path, **elsewhere).splitlines()
    assert Path(said[0]) == installed / "mcu_nas_moo" / "__init__.py"
    assert said[1] == "exact"
    assert said[2]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("mcu-nas", "profile", "list"), "cortex-m0plus"),
        (("mcu-nas-bench", "--list"), "mbconv-block"),
    ],
)
def test_commands_answer_where_it_is_installed(installed, tmp_path, command, expected):
    program = installed / "bin" / command[0]
    said = run(program, *command[1:], cwd=tmp_path, PYTHONPATH=str(installed))
    assert expected in said
