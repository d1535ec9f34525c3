from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from mcu_nas_moo.benchmark.references.enumeration import Enumerator
from mcu_nas_moo.benchmark.references.reference import (
    known_reference,
    load_reference,
    shipped_reference,
)
from mcu_nas_moo.cli.nas.main import main
from mcu_nas_moo.problem.task import Task

#: So tight that few networks are feasible and nearly all branches are skipped.
TIGHT = ("--latency-ms", 4.2)


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def enumerate_(*arguments):
    words = ["enumerate", "--jobs", 1, "--device", "cpu", *arguments]
    return CliRunner().invoke(main, [str(word) for word in words])


def test_fronts_of_two_objective_sets_are_found_by_the_benchmark(tmp_path):
    result = enumerate_("--profile", "cortex-m7", *TIGHT)
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 100 for line in result.output.splitlines())
    for objectives in (("error", "latency"), ("error", "latency", "sram", "flash")):
        task = Task("mbconv-stage", "cortex-m7", objectives, limits={"latency_ms": 4.2})
        assert shipped_reference(task) is None
        reference = known_reference(task)
        assert reference.kind == "exact"
        assert reference.origin["networks"] == task.space.n_networks == 125_971_200
        assert f"{reference.origin['feasible']:,}" in result.output
        F, G = task.evaluate(reference.X)
        assert np.array_equal(F, reference.F)
        assert (G <= 0).all()
        # No neighbour of the front is missing from it.
        around = np.concatenate([task.space.neighbours(x) for x in reference.X])
        F, G = task.evaluate(around)
        for f in F[(G <= 0).all(axis=1)]:
            assert (reference.F <= f).all(axis=1).any()
    assert not list((tmp_path / "cache").rglob("unfinished*"))


def test_an_interrupted_start_says_where_it_is_and_continues(tmp_path, monkeypatch):
    out = tmp_path / "fronts"
    words = ("--profile", "cortex-m7", *TIGHT, "--objectives", "error,latency", "--out", out)
    whole = Enumerator.run

    def interrupted(self, jobs, done):
        def stop(number):
            done(number)
            if number == 5:
                raise KeyboardInterrupt

        whole(self, jobs, stop)

    monkeypatch.setattr(Enumerator, "run", interrupted)
    first = enumerate_(*words)
    assert first.exit_code == 130
    assert "the same command continues" in first.output
    assert len(list(out.glob("unfinished-mbconv-stage-*.npz"))) == 1
    monkeypatch.setattr(Enumerator, "run", whole)
    second = enumerate_(*words)
    assert second.exit_code == 0, second.output
    assert "5 of 135 blocks are finished already" in second.output
    (path,) = out.iterdir()
    assert path.name == "mbconv-stage--cortex-m7--error-latency--latency-ms-4.2.npz"
    assert load_reference(path).kind == "exact"


def test_other_profiles_get_their_fronts_where_one_has_no_feasible_network(tmp_path):
    (tmp_path / "tight.yaml").write_text(
        "device: nucleo-h7a3zi-q\nruntime: stm32cube-ai-10\n"
        "limits: {flash_kib: 300, sram_kib: 1, latency_ms: 40}\n"
    )
    words = ("--profile", "tight.yaml,cortex-m7", *TIGHT, "--objectives", "error,latency")
    result = enumerate_(*words, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no network of mbconv-stage meets the limits of tight.yaml; relax one" in result.output
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "mbconv-stage--cortex-m7--error-latency--latency-ms-4.2.npz"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--space", "mbconv-block"), "which is too many to look at each"),
        (("--space", "mbconv-stag"), "mbconv-stage"),
        (("--profile", "cortex-m9"), "cortex-m7"),
        (("--objectives", "latency,sram"), "must hold error and a cost"),
        (("--objectives", "error"), "no trade-off"),
        (("--objectives", "error,speed"), "speed"),
        (("--objectives", "error,macs"), "enumeration is for error and some of"),
        (("--device", "foo"), "--device foo: choose cpu, cuda or auto"),
        (("--latency-ms", 1), "no network of mbconv-stage meets the limits of cortex-m7"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, words, text):
    result = enumerate_("--out", tmp_path / "out", *words)
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error")]
    assert text in line
    assert not list(tmp_path.rglob("*.npz"))
