"""Files that are written whole or not at all, and what killed processes leave."""

import platform
import subprocess
import sys

import pytest

from mcu_nas_moo.common.files import write_atomically, write_text_atomically


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "figures.txt"
    write_text_atomically(path, "old")

    def half(partial):
        partial.write_text("hal")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_dead_processes_left_is_swept_and_nothing_else(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        with subprocess.Popen([sys.executable, "-c", ""]) as dead:
            pass
        here, there = platform.node(), "another-host"
        kept = [f".a.npz.{living.pid}@{here}.partial", f".a.npz.{dead.pid}@{there}.partial"]
        kept += [f"b.{dead.pid}@{here}.partial", ".hidden"]
        for name in [*kept, f".a.npz.{dead.pid}@{here}.partial", f".c.d.{dead.pid}@{here}.partial"]:
            (tmp_path / name).touch()
        write_text_atomically(tmp_path / "new.txt", "text")
        living.communicate(b"\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "new.txt"])
