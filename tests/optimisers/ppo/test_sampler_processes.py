"""PPOSampler in several processes: shared storages, a kill, and the same seed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from mcu_nas_moo import PPOSampler
from mcu_nas_moo.optimisers.ppo import PPOSettings

WORKER = """
import sys

import numpy as np
import optuna

from mcu_nas_moo import PPOSampler
from mcu_nas_moo.optimisers.ppo import PPOSettings

optuna.logging.set_verbosity(optuna.logging.WARNING)


def storage_at(url):
    if url.startswith("sqlite"):
        return optuna.storages.RDBStorage(url)
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(url))


def distance(trial):
    x = np.array([trial.suggest_int(f"x{g}", 0, 5) for g in range(8)])
    return float(np.abs(x - np.arange(8) % 6).sum())


def study_at(url, seed):
    sampler = PPOSampler(seed, PPOSettings(batch_size=16))
    return optuna.create_study(
        storage=storage_at(url), study_name="shared", sampler=sampler, load_if_exists=True
    )
"""
namespace = {"__name__": "worker"}
exec(WORKER, namespace)
distance, study_at = namespace["distance"], namespace["study_at"]
#: What random points are worth on average: the mean distance per gene, summed over the eight.
RANDOM = sum(np.abs(np.arange(6) - g % 6).mean() for g in range(8))


def start(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER + code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        cwd=Path(__file__).parents[3],
    )


@pytest.mark.parametrize(("kind", "n"), [("sqlite", 40), ("journal", 100)])
def test_two_processes_learn_from_each_other(kind, n, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else str(tmp_path / "study.log")
    study = study_at(url, seed=1)  # before the peer, which need not make the tables, too
    study.optimize(distance, n_trials=3)
    peer = start(
        f"study = study_at({url!r}, seed=2)\n"
        "study.optimize(distance, n_trials=3)\n"
        "print('ready', flush=True)\n"
        f"until_done = optuna.study.MaxTrialsCallback({n})\n"
        "study.optimize(distance, callbacks=[until_done])\n"
        "print(len(study.sampler._learner._known))\n"
    )
    assert peer.stdout.readline() == "ready\n"
    made_here = []
    study.optimize(
        distance,
        callbacks=[lambda _, t: made_here.append(t), optuna.study.MaxTrialsCallback(n)],
    )
    known_here = len(study.sampler._learner._known)
    known_there = int(peer.communicate(timeout=120)[0])
    assert peer.returncode == 0

    trials = study.get_trials(deepcopy=False)
    assert n <= len(trials) <= n + 2
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    # Two that are drawn at the same moment may be alike, no others.
    assert len({str(sorted(t.params.items())) for t in trials}) >= n - 4
    # Both have read more than their own.
    own_here = 3 + len(made_here)
    assert known_here > own_here
    assert known_there > len(trials) - own_here
    if kind == "journal":
        assert np.mean([t.value for t in trials[-25:]]) < RANDOM - 1.5


def test_a_study_is_resumed_after_a_kill(tmp_path):
    path = str(tmp_path / "study.log")
    worker = start(
        "import time\n"
        "def objective(trial):\n"
        "    value = distance(trial)\n"
        "    if trial.number == 60:\n"
        "        print('killed here', flush=True)\n"
        "        time.sleep(600)\n"
        "    return value\n"
        f"study_at({path!r}, seed=1).optimize(objective)\n"
    )
    assert worker.stdout.readline() == "killed here\n"
    worker.send_signal(signal.SIGKILL)
    worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGKILL

    study = study_at(path, seed=2)
    n_before = 61  # with the trial that is running for ever
    study.optimize(distance, n_trials=20)
    trials = study.get_trials(deepcopy=False)
    assert len(trials) == n_before + 20
    assert len({str(sorted(t.params.items())) for t in trials}) == len(trials)
    # The first batch was proposed before anything new was learnt: it builds on the history.
    first_batch = [t.value for t in trials[n_before : n_before + 16]]
    assert np.mean(first_batch) < RANDOM - 3


def test_the_same_seed_gives_the_same_trials_in_other_processes():
    code = (
        "import json\n"
        "sampler = PPOSampler(5, PPOSettings(batch_size=16))\n"
        "study = optuna.create_study(sampler=sampler)\n"
        "study.optimize(distance, n_trials=60)\n"
        "print(json.dumps([t.params for t in study.trials]))\n"
    )
    workers = [start(code, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    study = optuna.create_study(sampler=PPOSampler(5, PPOSettings(batch_size=16)))
    study.optimize(distance, n_trials=60)
    for worker in workers:
        assert json.loads(worker.communicate(timeout=120)[0]) == [t.params for t in study.trials]


def test_the_package_does_not_load_the_sampler_early():
    code = (
        "import sys, mcu_nas_moo, mcu_nas_moo.optimisers.ppo\n"
        "print([name for name in ('optuna', 'torch') if name in sys.modules])\n"
        "mcu_nas_moo.PPOSampler(0)\n"
        "print([name for name in ('optuna', 'torch') if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.split("\n")[:2] == ["[]", "['optuna']"]
