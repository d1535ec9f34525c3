import optuna
import pytest
from enumerable_task import ToyTask

from mcu_nas_moo.problem.adapters.optuna_objective import McuNasObjective

optuna.logging.set_verbosity(optuna.logging.ERROR)
# Optuna calls its own set_metric_names and multivariate TPE experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def task():
    return ToyTask()


@pytest.fixture
def objective(task):
    return McuNasObjective(task=task)


def study_of(objective, sampler):
    study = optuna.create_study(directions=objective.directions, sampler=sampler)
    study.set_metric_names(objective.metric_names)
    return study


def test_best_trials_of_a_full_search_are_the_enumerated_front(task, objective):
    study = study_of(objective, optuna.samplers.BruteForceSampler(seed=0))
    study.optimize(objective)
    assert len(study.trials) == task.space.n_genotypes
    found = {
        tuple(task.space.canonical(objective.genotype(trial))[0]) for trial in study.best_trials
    }
    assert found == task.feasible_front()


def test_a_trial_holds_what_the_task_says(task, objective):
    study = study_of(objective, optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial({"depth": 1, "kernel1": 5, "kernel2": 5, "width": 12, "head": 192})
    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    X = objective.genotype(trial)
    assert X.tolist() == [[0, 1, 1, 1, 3]]
    F, G = task.evaluate(X)
    assert trial.values == F[0].tolist()
    assert trial.constraints == dict(zip(("flash", "sram", "latency"), G[0].tolist(), strict=True))
    # The second kernel size has no effect at depth 1.
    subnet = {"depth": 1, "kernel1": 5, "width": 12, "head": 192}
    assert trial.user_attrs["subnet"] == subnet
    metrics = {name: float(values[0]) for name, values in task.metrics(X).items()}
    assert {name: trial.user_attrs[name] for name in metrics} == metrics
    assert all(type(trial.user_attrs[name]) is float for name in metrics)


def test_parameters_are_values_and_ordered_where_evenly_spaced(objective):
    study = study_of(objective, optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=1)
    distributions = study.trials[0].distributions
    assert distributions["width"] == optuna.distributions.IntDistribution(8, 16, step=4)
    assert distributions["kernel1"] == optuna.distributions.IntDistribution(3, 5, step=2)
    head = optuna.distributions.CategoricalDistribution((64, 96, 128, 192))
    assert distributions["head"] == head
    assert len(distributions) == 5


@pytest.mark.parametrize(
    "sampler",
    [
        optuna.samplers.NSGAIISampler(population_size=10, seed=0),
        optuna.samplers.TPESampler(multivariate=True, n_startup_trials=10, seed=0),
    ],
    ids=["nsga2", "tpe"],
)
def test_samplers_respect_the_constraints(sampler, task, objective):
    study = study_of(objective, sampler)
    study.optimize(objective, n_trials=40)
    assert study.best_trials
    for trial in study.best_trials:
        assert (task.evaluate(objective.genotype(trial)).G <= 0).all()


def test_threads_get_their_own_trials(task, objective):
    study = study_of(objective, optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=60, n_jobs=4)
    assert len(study.trials) == 60
    for trial in study.trials:
        assert trial.values == task.evaluate(objective.genotype(trial)).F[0].tolist()


def test_names_and_directions_follow_the_task(objective):
    assert objective.directions == ["minimize", "minimize"]
    assert objective.metric_names == ["error", "latency"]


def test_genotype_refuses_what_is_no_network(objective):
    good = {"depth": 2, "kernel1": 3, "kernel2": 5, "width": 8, "head": 64}
    assert objective.genotype(good).tolist() == [[1, 0, 1, 0, 0]]
    with pytest.raises(ValueError, match="width"):
        objective.genotype({**good, "width": 9})
    with pytest.raises(ValueError, match="head"):
        objective.genotype({name: good[name] for name in good if name != "head"})
    with pytest.raises(ValueError, match="colour"):
        objective.genotype({**good, "colour": 1})


def test_task_and_settings_together_are_refused(task):
    with pytest.raises(ValueError, match="space"):
        McuNasObjective(space="mbconv-stage", task=task)
