from __future__ import annotations

import json
import sys

import pytest

from mcu_nas_moo.common.extras import require


def test_installed_packages_are_imported():
    assert require("json", "export") is json


def test_missing_package_names_the_install_command():
    with pytest.raises(ValueError, match=r"needs no_such_thing; .* 'mcu-nas-moo\[firmware\]'"):
        require("no_such_thing.inner", "firmware")


def test_broken_package_is_not_taken_for_a_missing_one(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import no_such_thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        require("half_there", "export")
    assert "half_there" not in sys.modules
