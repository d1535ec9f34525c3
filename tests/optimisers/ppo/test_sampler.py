"""PPOSampler in one process: what it proposes, and what it learns from."""

import copy
import pickle
import warnings
from threading import Thread

import moocore
import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from mcu_nas_moo import McuNasObjective, PPOSampler
from mcu_nas_moo.optimisers.ppo import PPOOptimiser, PPOSettings
from mcu_nas_moo.optimisers.ppo.learner import typical_size

SMALL = PPOSettings(batch_size=16)
N_GENES, N_OPTIONS = 10, 6


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def sampler(seed=0, **settings):
    return PPOSampler(seed, SMALL, **settings)


def suggest(trial, n=N_GENES, options=N_OPTIONS):
    return np.array([trial.suggest_int(f"x{g}", 0, options - 1) for g in range(n)])


def distance(trial):
    """0 at the optimum, where gene g has option g modulo 6."""
    return float(np.abs(suggest(trial) - np.arange(N_GENES) % N_OPTIONS).sum())


def points(study):
    return [tuple(sorted(t.params.items())) for t in study.get_trials(deepcopy=False)]


def run(objective, n_trials, sampler, **study_settings):
    study = optuna.create_study(sampler=sampler, **study_settings)
    study.optimize(objective, n_trials=n_trials)
    return study


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_learns_in_either_direction(direction):
    sign = 1 if direction == "minimize" else -1
    study = run(lambda t: sign * distance(t), 300, sampler(), direction=direction)
    # The best of 300 random points is 9 or so away, of 10,000 more than 5.
    assert sign * study.best_value <= 4
    assert len(set(points(study))) == 300


def test_learns_several_objectives_in_their_directions():
    def objective(trial):
        x = suggest(trial)
        return float(x.sum()), float((np.diff(x) == 0).sum()), float(x[::2].sum())

    def hypervolume(sampler, n_trials):
        study = run(objective, n_trials, sampler, directions=["minimize", "maximize", "maximize"])
        F = np.array([t.values for t in study.trials]) * [1, -1, -1]
        return moocore.hypervolume(F, ref=(50, 0, 0))

    by_chance = hypervolume(optuna.samplers.RandomSampler(0), 400)
    assert hypervolume(sampler(), 400) > by_chance * 1.1


def constrained(trial, factor=1.0):
    """Seldom met: the sum of each half is at most 6 and 8, of at most 25."""
    x = suggest(trial)
    trial.set_constraint("bytes", (float(x[:5].sum()) - 6) * factor)
    trial.set_constraint("ms", float(x[5:].sum()) - 8)
    return float(-x.sum())


def feasible(study):
    return np.array([all(c <= 0 for c in t.constraints.values()) for t in study.trials])


def test_finds_feasible_points():
    study = run(constrained, 250, sampler())
    assert feasible(study)[:16].mean() < 0.2  # the first batch
    assert feasible(study)[-150:].mean() > 0.2
    assert study.best_trials[0].values[0] <= -12  # the optimum is -14


def test_constraints_are_measured_by_their_median_size():
    values = np.array([[0.0, 2.0, np.inf, 0.0], [8.0, -4.0, 3.0, 0.0], [-6.0, 1e9, -np.inf, 0.0]])
    assert typical_size(values).tolist() == [7.0, 4.0, 3.0, 1.0]


def test_the_unit_of_a_constraint_does_not_matter():
    small, large = (run(lambda t, f=f: constrained(t, f), 120, sampler()) for f in (1.0, 2.0**20))
    assert points(small) == points(large)


def test_constraints_may_appear_late():
    def objective(trial):
        x = suggest(trial)
        trial.set_constraint("early", float(x[:3].sum()) - 5)
        if trial.number >= 20:
            trial.set_constraint("late", float(x[3:6].sum()) - 5)
        return float(-x[6:].sum())

    study = run(objective, 200, sampler())
    assert study.sampler._learner.constraint_names == ["early", "late"]
    assert feasible(study)[-100:].mean() > 0.4  # by chance, 0.07 are


def test_constraints_func_of_older_versions_is_understood():
    class Old(PPOSampler):
        def after_trial(self, study, trial, state, values):
            x = sum(v for name, v in trial.params.items() if int(name[1:]) < 5)
            study._storage.set_trial_system_attr(trial._trial_id, "constraints", [x - 6.0])
            super().after_trial(study, trial, state, values)

    study = run(lambda t: float(-suggest(t)[5:].sum()), 200, Old(0, SMALL))
    assert feasible(study)[-100:].mean() > 0.4  # by chance, 0.06 are


def test_infinite_constraints_are_violated_or_met():
    def objective(trial):
        x = suggest(trial)
        trial.set_constraint("c", np.inf if x[:3].sum() > 4 else -np.inf)
        return float(-x[3:].sum())

    study = run(objective, 200, sampler())
    assert feasible(study)[-100:].mean() > 0.4  # by chance, 0.16 are


def told(sampler):
    """How many different points the optimiser has been told of, or will be before it is asked."""
    return len(sampler._learner._known)


def test_learns_from_added_and_enqueued_trials():
    space = {f"x{g}": IntDistribution(0, N_OPTIONS - 1) for g in range(N_GENES)}
    best = {f"x{g}": g % N_OPTIONS for g in range(N_GENES)}
    study = optuna.create_study(sampler=sampler())
    rng = np.random.default_rng(0)
    for _ in range(100):
        params = {name: int(rng.integers(N_OPTIONS)) for name in space}
        value = float(sum(abs(params[name] - best[name]) for name in space))
        study.add_trial(create_trial(params=params, distributions=space, value=value))
    study.enqueue_trial(best | {"x0": 1, "x5": 1})
    study.optimize(distance, n_trials=60)
    assert told(study.sampler) == 100 + 60 - 1  # the last trial is not read yet
    values = [t.value for t in study.trials]
    # The enqueued trial is 5 away, most others 15 and more; its neighbours are found soon.
    assert values[100] == 5
    assert min(values[101:]) < 5
    assert np.mean(values[-40:]) < np.mean(values[:100]) - 5


def test_partly_enqueued_trials_are_learnt_as_they_were():
    study = optuna.create_study(sampler=sampler())
    study.optimize(distance, n_trials=5)
    for _ in range(20):
        study.enqueue_trial({"x0": 0, "x1": 1})
    study.optimize(distance, n_trials=60)
    params = [t.params for t in study.trials]
    assert all(p["x0"] == 0 and p["x1"] == 1 for p in params[5:25])
    # What was told is what was run: no point evaluated is proposed again.
    assert len(set(points(study)[25:])) == 40
    assert not set(points(study)[25:]) & set(points(study)[:25])
    assert told(study.sampler) == len(set(points(study)[:-1]))


def test_a_sampler_with_fixed_parameters_moves_in_the_rest():
    study = run(distance, 40, sampler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.PartialFixedSampler({"x3": 5}, study.sampler)
    study.optimize(distance, n_trials=40)
    late = study.trials[40:]
    assert all(t.params["x3"] == 5 for t in late)
    assert len({str(t.params) for t in late}) == 40


def test_takes_over_from_another_sampler():
    study = run(distance, 100, optuna.samplers.RandomSampler(0))
    study.sampler = sampler()
    study.optimize(distance, n_trials=100)
    values = [t.value for t in study.trials]
    # Everything is known from the first trial on.
    assert np.mean(values[100:130]) < np.mean(values[:100]) - 1
    assert min(values[100:]) < min(values[:100])
    assert len(set(points(study))) == 200


def test_failed_trials_are_forgotten_and_may_be_repeated():
    def objective(trial):
        x = trial.suggest_int("x", 0, 5)
        if trial.number in {2, 3}:
            raise RuntimeError
        return x if trial.number != 4 else float("nan")

    study = optuna.create_study(sampler=sampler(stop_when_exhausted=True))
    study.optimize(objective, n_trials=100, catch=RuntimeError)
    completed = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert sorted(t.params["x"] for t in completed) == list(range(6))
    assert len(study.trials) == 9


def test_failed_trials_do_not_delay_learning():
    def objective(trial):
        value = distance(trial)
        if trial.number % 7 == 3:
            raise RuntimeError
        return value

    learnt = []
    study = optuna.create_study(sampler=sampler())
    update = PPOOptimiser._update
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            PPOOptimiser, "_update", lambda self: (learnt.append(self._told), update(self))
        )
        study.optimize(objective, n_trials=100, catch=RuntimeError)
    # Failed trials are told, too, so each batch is full.
    assert learnt == [16, 32, 48, 64, 80, 96]


@pytest.mark.parametrize("how", ["nan", "inf", "pruned"])
def test_learns_to_avoid_what_has_no_value(how):
    def objective(trial):
        total = float(suggest(trial).sum())
        if total < 12:
            if how == "pruned":
                raise optuna.TrialPruned
            return float(how)
        return total

    study = run(objective, 200, sampler())
    lacking = np.array([t.state != TrialState.COMPLETE or np.isinf(t.value) for t in study.trials])
    assert lacking[-100:].mean() < 0.5
    assert study.best_value <= 14
    _, times = np.unique(points(study), return_counts=True, axis=0)
    assert times.max() == 1


def test_what_failed_is_tried_again_when_nothing_else_is_left():
    failed = []

    def objective(trial):
        value = two_parameters(trial)
        if trial.params not in failed:
            failed.append(trial.params)
            raise RuntimeError
        return value

    study = optuna.create_study(sampler=sampler(stop_when_exhausted=True))
    study.optimize(objective, n_trials=100, catch=RuntimeError)
    states = [t.state for t in study.trials]
    assert states.count(TrialState.COMPLETE) == len(failed) == 15
    assert len(states) <= 30 + 4


def test_infinite_values_are_not_repeated():
    def objective(trial):
        x = suggest(trial)
        return float("inf") if x[0] == 0 else float(x.sum())

    study = run(objective, 80, sampler())
    assert len(set(points(study))) == 80
    assert np.isinf([t.value for t in study.trials]).any()


def test_pruned_trials_count_as_worse_than_completed_ones():
    def objective(trial):
        x = suggest(trial)
        trial.report(-1000.0 * x[0], step=0)  # tempting, were it a final value
        if x[0] > 0:
            raise optuna.TrialPruned
        return float(x.sum())

    study = run(objective, 200, sampler())
    pruned = np.array([t.state == TrialState.PRUNED for t in study.trials])
    assert pruned[:16].mean() > 0.5
    assert pruned[-100:].mean() < 0.4
    assert len(set(points(study))) == 200


def test_pruned_trials_without_a_value_are_not_repeated():
    def objective(trial):
        x = trial.suggest_int("x", 0, 20)
        if x % 2:
            raise optuna.TrialPruned
        return x

    study = run(objective, 21, sampler())
    assert sorted(t.params["x"] for t in study.trials) == list(range(21))


def two_parameters(trial):
    a = trial.suggest_categorical("a", ["p", "q", None])
    return trial.suggest_int("b", 0, 8, step=2) + (a == "p")


def test_stops_when_all_is_evaluated():
    study = run(two_parameters, 100, sampler(stop_when_exhausted=True))
    assert len(study.trials) == len(set(points(study))) == 15


def test_goes_on_when_all_is_evaluated_unless_told_to_stop():
    with pytest.warns(UserWarning, match="stop_when_exhausted") as caught:
        study = run(two_parameters, 25, sampler())
    assert len([w for w in caught if "stop_when_exhausted" in str(w.message)]) == 1
    assert len(set(points(study)[:15])) == 15
    assert len(study.trials) == 25


def test_an_exhausted_study_may_be_continued_by_hand():
    study = run(two_parameters, 100, sampler(stop_when_exhausted=True))
    trial = study.ask()
    with pytest.warns(UserWarning, match="evaluated"):
        value = two_parameters(trial)
    study.tell(trial, value)
    assert len(study.trials) == 16


def test_points_that_were_overridden_are_proposed_again():
    study = optuna.create_study(sampler=sampler(stop_when_exhausted=True))
    study.optimize(two_parameters, n_trials=1)
    for _ in range(10):
        study.enqueue_trial({"b": 2})
    study.optimize(two_parameters, n_trials=100)
    early, late = points(study)[:11], points(study)[11:]
    assert len(set(early)) + len(late) == len(set(early + late)) == 15


def test_points_that_another_worker_evaluates_are_left_to_it():
    study = run(two_parameters, 3, sampler(stop_when_exhausted=True))
    worker = optuna.load_study(
        study_name=study.study_name, storage=study._storage, sampler=sampler(7)
    )
    unfinished = worker.ask()
    two_parameters(unfinished)
    study.optimize(two_parameters, n_trials=100)
    assert len(study.trials) == len(set(points(study))) == 15

    worker.tell(unfinished, state=TrialState.FAIL)
    study.optimize(two_parameters, n_trials=100)
    assert len(study.trials) == 16
    assert study.trials[15].params == unfinished.params


def test_a_continuous_range_is_refined_without_end():
    study = run(lambda t: (t.suggest_float("x", -1.0, 1.0) - 0.3) ** 2, 120, sampler(bins=4))
    assert study.sampler._learner.grid.bins >= 64
    assert study.best_value < 1e-3


def test_parameters_that_differ_between_trials_are_sampled_independently():
    def objective(trial):
        x = suggest(trial, 4)
        if x[0] % 2:
            x[1] += trial.suggest_int("odd", 0, 3)
        upper = 5 + trial.number % 3
        return float(x.sum()) + trial.suggest_int("dynamic", 0, upper)

    study = run(objective, 80, sampler())
    assert set(study.sampler._learner.grid.space) == {"x0", "x1", "x2", "x3"}
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}


def test_independent_parameters_do_not_end_a_study():
    def objective(trial):
        return trial.suggest_int("a", 0, 1) + trial.suggest_float(f"b{trial.number % 2}", 0, 1)

    study = run(objective, 12, sampler(stop_when_exhausted=True))
    assert len(study.trials) == 12


def test_the_independent_sampler_can_be_chosen():
    class Low(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, param_name, param_distribution):
            return param_distribution.low

    study = optuna.create_study(sampler=sampler(independent_sampler=Low()))
    study.optimize(distance, n_trials=3)
    assert set(study.trials[0].params.values()) == {0}
    assert set(study.trials[1].params.values()) != {0}


class NoIndependentSampling(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, param_name, param_distribution):
        raise AssertionError(f"{param_name} was sampled independently")


def test_a_given_space_is_modelled_from_the_first_trial_on():
    space = {f"x{g}": IntDistribution(0, N_OPTIONS - 1) for g in range(N_GENES)}
    study = optuna.create_study(
        sampler=sampler(search_space=space, independent_sampler=NoIndependentSampling())
    )
    study.optimize(distance, n_trials=200)
    assert study.best_value <= 5
    assert len(set(points(study))) == 200


def test_a_given_space_may_be_conditional():
    space = {"kind": CategoricalDistribution(("a", "b"))}
    space |= {name: IntDistribution(0, 9) for name in ("a0", "a1", "b0", "b1")}

    def objective(trial):
        kind = trial.suggest_categorical("kind", ["a", "b"])
        parts = [trial.suggest_int(f"{kind}{k}", 0, 9) for k in range(2)]
        return float(sum(parts)) + 5 * (kind == "a")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = run(
            objective,
            150,
            sampler(search_space=space, independent_sampler=NoIndependentSampling()),
        )
    assert study.best_value <= 1
    # Points that differ only in parameters that were not asked for are the same trial.
    assert len({str(sorted(t.params.items())) for t in study.trials}) > 130


def test_a_space_that_changes_starts_a_new_model_with_the_history():
    study = run(distance, 40, sampler())
    study.optimize(lambda t: float(suggest(t, N_GENES - 1).sum()), n_trials=160)
    assert len(study.sampler._learner.grid.space) == N_GENES - 1
    values = [t.value for t in study.trials]
    assert min(values[-100:]) < min(values[40:60])


def test_the_same_seed_gives_the_same_trials():
    objective = lambda t: distance(t) + t.suggest_float("f", 0, 1)  # noqa: E731
    first, second, other = (run(objective, 60, sampler(seed)) for seed in (3, 3, 4))
    assert points(first) == points(second) != points(other)


def test_without_a_seed_trials_and_copies_differ():
    original = sampler(None)
    samplers = [original, copy.deepcopy(original), pickle.loads(pickle.dumps(original))]
    runs = [points(run(distance, 10, s)) for s in samplers]
    assert runs[0] != runs[1] != runs[2] != runs[0]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
@pytest.mark.parametrize("n_before", [0, 1, 40])
def test_a_copy_continues_like_the_original(duplicate, n_before):
    study = run(distance, n_before, sampler())
    twin = optuna.create_study(sampler=duplicate(study.sampler), study_name=study.study_name)
    twin.add_trials(study.trials)
    for each in (study, twin):
        each.optimize(distance, n_trials=40)
    assert points(study) == points(twin)


def test_copies_may_be_made_during_a_trial():
    def objective(trial):
        value = distance(trial)
        trial.study.sampler = pickle.loads(pickle.dumps(trial.study.sampler))
        return value

    assert points(run(objective, 40, sampler())) == points(run(distance, 40, sampler()))


def test_copies_may_be_made_while_another_thread_learns():
    study = optuna.create_study(sampler=sampler())
    thread = Thread(target=study.optimize, args=(distance, 150))
    thread.start()
    copies = [pickle.dumps(study.sampler)]
    while thread.is_alive():
        copies.append(pickle.dumps(study.sampler))
    thread.join()
    assert len(study.trials) == 150
    for copied in (copies[0], copies[len(copies) // 2], copies[-1]):
        assert len(points(run(distance, 20, pickle.loads(copied)))) == 20


def test_reseeding_keeps_what_was_learnt():
    study = run(distance, 100, sampler())
    learner = study.sampler._learner
    study.sampler.reseed_rng()
    study.optimize(distance, n_trials=50)
    assert study.sampler._learner is learner
    values = [t.value for t in study.trials]
    assert np.mean(values[100:]) < np.mean(values[:50]) - 3


@pytest.mark.parametrize("given_space", [False, True])
def test_four_threads(given_space):
    space = {f"x{g}": IntDistribution(0, N_OPTIONS - 1) for g in range(N_GENES)}
    study = optuna.create_study(sampler=sampler(search_space=space if given_space else None))
    study.optimize(distance, n_trials=160, n_jobs=4)
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}
    assert len(set(points(study))) == 160
    assert study.best_value <= 8


def test_threads_stop_when_all_is_evaluated():
    study = optuna.create_study(sampler=sampler(stop_when_exhausted=True))
    study.optimize(two_parameters, n_trials=100, n_jobs=4)
    # The first trials are drawn independently, and those under way are finished.
    assert len(set(points(study))) == 15
    assert len(study.trials) <= 15 + 8


def test_hyperband_hides_trials_but_all_are_learnt():
    study = optuna.create_study(
        sampler=sampler(), pruner=optuna.pruners.HyperbandPruner(1, 9, 3), study_name="hyperband"
    )

    def objective(trial):
        value = distance(trial)
        for step in range(9):
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=80)
    assert len(set(points(study))) == 80
    assert told(study.sampler) == 79


def test_another_study_starts_anew():
    shared = sampler()
    first = run(distance, 20, shared)
    second = run(lambda t: t.suggest_float("y", 0, 1), 20, shared)
    third = run(distance, 20, shared)
    assert len(first.trials) == len(second.trials) == len(third.trials) == 20
    assert told(shared) == 19


def test_values_are_plain_python_objects():
    def objective(trial):
        values = [
            trial.suggest_int("i", 0, 10**6),
            trial.suggest_float("f", 1e-3, 1.0, log=True),
            trial.suggest_float("s", 0.0, 1.0, step=0.25),
            trial.suggest_categorical("c", (True, "a", None)),
        ]
        assert [type(v) for v in values[:3]] == [int, float, float]
        return values[1]

    study = run(objective, 20, sampler())
    assert {t.params["c"] for t in study.trials} == {True, "a", None}
    assert FloatDistribution(1e-3, 1.0, log=True) in study.sampler._learner.grid.space.values()


def test_learning_is_recorded_for_tensorboard(tmp_path):
    run(distance, 40, sampler(tensorboard=tmp_path / "board"))
    assert list((tmp_path / "board").rglob("*tfevents*"))


def test_few_bins_are_refused():
    with pytest.raises(ValueError, match="bins must be at least 2"):
        PPOSampler(bins=1)


def test_learns_the_search_problem_for_microcontrollers():
    objective = McuNasObjective(profile="cortex-m4")
    study = run(objective, 150, PPOSampler(0, SMALL), directions=objective.directions)
    assert len(set(points(study))) == 150
    assert feasible(study)[-50:].mean() > feasible(study)[:50].mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"settings": {"batch_size": 3}}, "PPOSettings"),
        ({"search_space": {"x": 3}}, "'x'.*distribution"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        PPOSampler(**arguments)
