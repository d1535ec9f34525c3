"""The command that kills commands: a short form of it, and that it notices what it looks for."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import kills


@pytest.mark.parametrize("what", ["suite", "search-journal"])
def test_a_handful_of_kills_loses_nothing(tmp_path, capsys, what):
    page = tmp_path / "kills.md"
    code = kills.main(
        ["--what", what, "--kills", "3", "--seed", "3", "--grace", "20", "--out", str(page)]
    )
    assert code == 0, capsys.readouterr()
    assert ": 3 kills at random times, 0 faults." in page.read_text()


def faulty(tmp_path, monkeypatch, code, **settings):
    """A command that runs ``code`` in the folder of its results."""

    def start(self, command, out):
        return subprocess.Popen(
            [sys.executable, "-c", f"import os, sys, time; from pathlib import Path; {code}"],
            cwd=out,
            env=os.environ | {kills.MARK: str(self.folder)},
            stderr=subprocess.PIPE,
            text=True,
        )

    monkeypatch.setattr(kills.Killer, "_start", start)
    items = kills.Work(
        "faulty", lambda out: {p.name: p.read_text() for p in out.iterdir()}, **settings
    )
    return kills.Killer(tmp_path, 0, grace=0.2).torment(items, 3)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("Path('a').write_text(str(time.time())); time.sleep(.5)", "lost"),
        (
            "[p.unlink() for p in Path().iterdir()]; Path(str(time.time())).touch(); time.sleep(1)",
            "lost",
        ),
        ("open('a', 'a').write('x'); time.sleep(.5)", "unequal"),
        ("Path('a').exists() and sys.exit(2); Path('a').touch(); time.sleep(.5)", "failed"),
        (
            "Path('a').touch(); "
            "os.fork() or (os.setsid(), os.close(2), time.sleep(2)); time.sleep(.5)",
            "left",
        ),
    ],
)
def test_faults_are_noticed(tmp_path, monkeypatch, code, fault):
    begin = time.monotonic()
    tally = faulty(tmp_path, monkeypatch, code)
    assert getattr(tally, fault) >= 1
    assert len(tally.kills) == 3
    assert time.monotonic() - begin < 60


def test_items_without_names_are_compared_by_what_they_are(tmp_path, monkeypatch):
    number = "n = len(list(Path('..').iterdir()))"
    renamed = f"{number}; Path(f'a{{n}}').write_text('x'); time.sleep(.5)"
    (one := tmp_path / "one").mkdir()
    assert not faulty(one, monkeypatch, renamed, unnamed=True).unequal
    changed = f"{number}; Path('a').exists() or Path('a').write_text(str(n)); time.sleep(.5)"
    (other := tmp_path / "other").mkdir()
    assert faulty(other, monkeypatch, changed, unnamed=True).unequal
