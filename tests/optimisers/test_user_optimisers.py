from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import numpy as np
import own_algorithms
import pytest
from toy_task import ToyTask

from mcu_nas_moo.benchmark.runs.run import run_optimiser
from mcu_nas_moo.benchmark.runs.study import Run, Study
from mcu_nas_moo.optimisers import user_optimisers as own
from mcu_nas_moo.optimisers.register import (
    check_hyperparameters,
    check_optimiser,
    default_hyperparameters,
    entry,
    list_optimisers,
    load_optimiser,
    optimiser_fingerprint,
)

SEEDED = [
    *("Tries", "make_tries", "first_argument"),
    *("MyNSGA2", "make_nsga2", "ready_nsga2", "SPEA2", "PlainNSGA2", "PlainRVEA"),
    *("Sampler", "make_sampler", "ready_sampler", "ready_genetic"),
]


def proposed(name, exact, seed=17, budget=33):
    return run_optimiser(f"own_algorithms:{name}", ToyTask(), exact, budget, seed).X


@pytest.mark.parametrize("name", SEEDED)
def test_every_kind_runs_with_the_exact_budget_and_the_seed_of_the_run(name, exact):
    X = proposed(name, exact)
    assert X.shape == (33, 6)
    assert (proposed(name, exact) == X).all()
    if name != "first_argument":
        assert (proposed(name, exact, seed=18) != X).any()


def test_whole_numbers_of_any_type_are_taken(exact):
    assert (proposed("simple", exact) == 2).all()
    assert (proposed("Simple", exact) == 2).all()


def test_classes_of_pymoo_get_the_operators_and_the_problem(exact):
    # As they are, pymoo's operators make real numbers, and duplicates of networks count as new.
    X = proposed("PlainNSGA2", exact, budget=100)
    canonical = ToyTask().space.canonical(X)
    assert len(np.unique(canonical, axis=0)) == len(X)


def test_an_object_is_copied_for_each_run(exact):
    proposed("ready_nsga2", exact)
    assert own_algorithms.ready_nsga2.pop is None
    proposed("ready_sampler", exact)


def test_what_an_optimiser_does_with_what_it_is_told_does_not_reach_the_history(exact):
    history = run_optimiser("own_algorithms:Tries", ToyTask(), exact, 12, seed=0)
    F, G = ToyTask().evaluate(history.X)
    assert (history.F == F).all()
    assert (history.G == G).all()
    settings = history.metadata["settings"]
    assert settings["rows"] == 5
    assert settings["shape"] == [1, 2]
    assert isinstance(settings["task"], str)


def test_facts_of_own_optimisers():
    assert entry("own_algorithms:Tries").any_time
    assert not entry("own_algorithms:MyNSGA2").any_time
    assert entry("own_algorithms:Tries").ceiling == 1000
    assert entry("own_algorithms:Simple").ceiling is None
    assert not entry("own_algorithms:Tries").logs
    assert entry("own_algorithms:Tries").replayable
    assert not entry("own_algorithms:KeepsState").replayable
    assert default_hyperparameters("own_algorithms:Tries") == {}
    with pytest.raises(ValueError, match="own_algorithms:Tries has no hyperparameters"):
        check_hyperparameters("own_algorithms:Tries", {"rows": 3})


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("own_algorithms:Trie", r"own_algorithms.py has no 'Trie'.*did you mean 'Tries'"),
        ("own_algorithms:", "write module:Name"),
        (":Tries", "write module:Name"),
        ("no_such_module:Tries", "cannot import 'no_such_module'.*No module named.*current folder"),
        (
            "own_algorithms:NoOptimiser",
            "is the class NoOptimiser; it must be a pymoo Algorithm, an",
        ),
        ("own_algorithms:number", r"is an object of int; it must be .* ask\(\) and tell"),
        ("tries", "unknown algorithm 'tries'.*your own module:name"),
    ],
)
def test_names_that_lead_to_no_optimiser(name, match):
    with pytest.raises(ValueError, match=match):
        check_optimiser(name)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("returns_nothing", "returned an object of NoneType; it must return a pymoo Algorithm"),
        ("needs_much", "needs arguments that nobody knows: width, depth"),
        (
            "NeedsPoints",
            r"NeedsPoints needs arguments that nobody knows: ref_points; .* a function",
        ),
        (
            "real_nsga2",
            r"own_algorithms:real_nsga2, asked after 0 .* NSGA2\(\.\.\., \*\*mcu_nas",
        ),
    ],
)
def test_what_goes_wrong_when_a_run_begins(name, match, exact):
    with pytest.raises(ValueError, match=match):
        proposed(name, exact)


def test_a_module_that_fails_to_import_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_search.py").write_text("def ask(:\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"cannot import 'broken_search'.*SyntaxError"):
        check_optimiser("broken_search:Anything")
    (tmp_path / "leaving_search.py").write_text("import sys\nsys.exit('bye')\n")
    with pytest.raises(ValueError, match=r"cannot import 'leaving_search'.*SystemExit: bye\)"):
        check_optimiser("leaving_search:Anything")


def test_modules_are_found_in_the_current_folder(tmp_path, monkeypatch, exact):
    text = "from own_algorithms import Tries\nclass Inner:\n    Search = Tries\n"
    (tmp_path / "folder_search.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    history = run_optimiser("folder_search:Inner.Search", ToyTask(), exact, 7, seed=0)
    assert len(history.X) == 7


def test_fingerprint_follows_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    path = tmp_path / "changing_search.py"
    seen = []
    start = "from own_algorithms import Tries"
    for text in (start, f"{start}  # new", f"{start}\nTries.size = 3"):
        path.write_text(text)
        optimiser_fingerprint.cache_clear()
        seen.append(optimiser_fingerprint("changing_search:Tries"))
    assert seen[0] == seen[1] != seen[2]
    assert seen[0] != optimiser_fingerprint("own_algorithms:Tries")


def test_packages_can_announce_optimisers(announce, exact):
    points = [
        EntryPoint("their-search", "own_algorithms:Tries", "mcu_nas_moo.optimisers"),
        EntryPoint("random", "own_algorithms:NoOptimiser", "mcu_nas_moo.optimisers"),
    ]
    announce(*points)
    own.user_entry.cache_clear()
    try:
        assert list_optimisers()["their-search"] == "own_algorithms:Tries"
        assert list_optimisers()["random"] == "uniform random search"  # a name of ours stays ours
        assert entry("their-search").any_time
        history = run_optimiser("their-search", ToyTask(), exact, 7, seed=0)
        assert (history.X == proposed("Tries", exact, seed=0, budget=7)).all()
        with pytest.raises(ValueError, match="did you mean 'their-search'"):
            load_optimiser("their-serch")
    finally:
        own.user_entry.cache_clear()


def test_own_algorithms_run_in_other_processes_and_failures_stop_nobody(
    tmp_path, monkeypatch, exact
):
    monkeypatch.syspath_prepend(str(tmp_path))
    study = Study(tmp_path / "study", ToyTask(), 12)
    names = ["own_algorithms:Tries", "own_algorithms:real_nsga2", "random"]
    runs = [Run(name, 0) for name in names]
    finished = {done.run.algorithm: done.problem for done in study.run(runs, exact, jobs=1)}
    assert finished["own_algorithms:Tries"] is None
    assert finished["random"] is None
    assert "real_nsga2, asked after 0 evaluations, proposed" in finished[names[1]]
    assert len(study.histories(runs)) == 2
