from __future__ import annotations

import json
import shutil

from click.testing import CliRunner
from suite_runs import make_study, small_searches

from mcu_nas_moo.cli.bench.main import main


def report(*folders):
    arguments = [*map(str, folders), "--out", "report", "--jobs", "1"]
    return CliRunner().invoke(main, ["report", *arguments])


def test_the_fewest_runs_count_and_a_stale_folder_does_not_end_the_report(tmp_path, monkeypatch):
    small_searches(monkeypatch)
    monkeypatch.chdir(tmp_path)
    make_study(tmp_path / "runs of today", ("random",), tuple(range(11)), budget=20)
    make_study(tmp_path / "runs of today", ("nsga2",), (0,), budget=20)
    stale = shutil.copytree(tmp_path / "runs of today", tmp_path / "stale")
    facts = json.loads((stale / "study.json").read_text())
    (stale / "study.json").write_text(json.dumps(facts | {"fingerprint": "older"}))

    result = report("stale", "runs of today")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Warning: left out: stale/study.json is about the problem")
    said = " ".join(result.stdout.split())
    # There are eleven seeds in all, but one algorithm has a single run.
    assert "1 seed is a look, not a claim (nsga2: 1 run); take --seeds 21" in said
    assert "Algorithms have different numbers of runs, from 1 to 11." in said
    assert (tmp_path / "report" / "report.html").exists()

    alone = report("stale")
    assert alone.exit_code == 2
    assert "fingerprint older there" in alone.stderr
    assert alone.stderr.count("\n") == 1
