"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys

# Tests run in several processes; threads of each on top would wait for one another. Set before
# torch or numpy are imported.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from toy_task import ToyTask, brute_force_reference

from mcu_nas_moo.common import user_parts
from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec, load_space

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Examples may take long on a busy machine; that is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """Writes a module of a user's into a new current folder, which is returned."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.delitem(sys.modules, name, raising=False)
        return tmp_path

    return write


@pytest.fixture
def announce(monkeypatch):
    """Lets entry points be those of installed packages."""

    def as_installed(*points):
        monkeypatch.setattr(
            importlib.metadata,
            "entry_points",
            lambda group: [point for point in points if point.group == group],
        )
        user_parts.announced.cache_clear()

    yield as_installed
    user_parts.announced.cache_clear()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def task():
    """A problem so small that brute force solves it."""
    return ToyTask()


@pytest.fixture(scope="session")
def exact():
    """The reference of brute force for the toy task."""
    return brute_force_reference(ToyTask())


@pytest.fixture(params=["mbconv-stage", "mbconv-block"], scope="session")
def space(request):
    """Each shipped space."""
    return load_space(request.param)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """Two classes that differ in colour: red is brighter in one, blue in the other."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("images")
    for split, count in (("train", 60), ("test", 20)):
        for channel, name in ((0, "red"), (2, "blue")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 160, (32, 32, 3), dtype=np.uint8)
                pixels[..., channel] += 90
                Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return root


@pytest.fixture(scope="session")
def small_spec():
    """Resolutions, stages and widths of a space whose networks train in a second."""
    stage = {"stride": 2, "kernel": [3], "depth": [1], "width": [8], "expansion": [2]}
    return {
        "resolution": [16, 32],
        "stem": [4, 8],
        "stages": [
            stage | {"depth": [1, 2], "kernel": [3, 5], "width": [4, 8], "expansion": [1, 2]},
            stage,
        ],
        "head": [8, 16],
    }


@pytest.fixture(scope="session")
def tiny_space(small_spec):
    """A space with small networks, for supernets that train in a second."""
    facts = {"name": "tiny", "granularity": "block", "classes": 2}
    return MBConvSpace(MBConvSpec.model_validate(small_spec | facts))


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, for pages."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (extra: test)"
    )
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no Chromium is installed (looked for {', '.join(BROWSERS)})")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield opened
        opened.close()
