"""The search problem for Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.contracts.evaluator import REASON
from mcu_nas_moo.problem.task import Task, task_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import SearchSpace
    from mcu_nas_moo.spaces.genes import Gene, Value


#: User attribute of a study: what it searches.
PROBLEM = "mcu_nas_problem"


class McuNasObjective:
    """Networks for a microcontroller as a constrained objective function of Optuna (5.0 or newer).

    Call it through a study; it may run in several threads::

        objective = McuNasObjective(profile="cortex-m7")
        study = optuna.create_study(directions=objective.directions)
        study.set_metric_names(objective.metric_names)
        study.optimize(objective, n_trials=500)
        study.best_trials[0].user_attrs["subnet"]

    Each gene is a parameter, and its values are those of the network (a kernel size, a width), not
    indices: an integer with a step where the options are evenly spaced, so that samplers know
    their order, else a category. Every trial suggests every gene, also those without effect in
    a shallow network: samplers that model parameters jointly need the same ones in each trial.

    Constraints are set by ``trial.set_constraint``, as ``value / limit - 1``, under the names
    flash, sram and latency; samplers then need no ``constraints_func``, and
    ``study.best_trials`` are the feasible trials that no other dominates. The user attributes are
    ``subnet`` (values of the active genes) and every metric of :meth:`Task.metrics`. The study
    gets one, too, which says what it searches, so that ``mcu-nas front --storage`` can read it.

    A network that could not be evaluated makes a failed trial with the user attribute ``reason``.

    Args:
        profile, space, objectives, limits: as :class:`Task` takes them, with its defaults.
        task: a ready task instead.

    Raises:
        InputError: for unknown names or values, or for both a task and settings.
    """

    def __init__(
        self,
        profile: str | Path | Profile | None = None,
        space: str | SearchSpace | None = None,
        objectives: Sequence[str] | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        task: Task | None = None,
    ) -> None:
        self.task = task_of(task, profile, space, objectives, limits)
        self._told: Study | None = None

    @property
    def directions(self) -> list[str]:
        """Direction of each objective, for ``optuna.create_study``."""
        return ["minimize"] * self.task.n_obj

    @property
    def metric_names(self) -> list[str]:
        """Name of each objective, for ``study.set_metric_names``."""
        return list(self.task.objectives)

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        """Suggest a network and evaluate it."""
        if trial.study is not self._told:
            self._told = trial.study
            if PROBLEM not in trial.study.user_attrs:
                trial.study.set_user_attr(PROBLEM, self.task.facts().plain())
        X = self.genotype({gene.name: _suggest(trial, gene) for gene in self.task.space.genes})
        metrics = self.task.metrics(X)
        F, G = self.task.score(metrics)
        reason = self.task.reason(X[0])
        if reason is not None:
            trial.set_user_attr(REASON, reason)
            return (float("nan"),) * self.task.n_obj  # which Optuna takes for a failed trial
        for name, value in zip(self.task.constraint_names, G[0].tolist(), strict=True):
            trial.set_constraint(name, value)
        (subnet,) = self.task.space.decode(X)
        trial.set_user_attr("subnet", dict(subnet.values))
        for name, values in metrics.items():
            trial.set_user_attr(name, float(values[0]))
        return tuple(F[0].tolist())

    def genotype(self, trial: Trial | FrozenTrial | Mapping[str, Any]) -> Genotypes:
        """The genotype ``(1, n_genes)`` of a trial, or of its parameters.

        Raises:
            InputError: if a gene is missing or unknown, or a value is not an option of its gene.
        """
        params = trial if isinstance(trial, Mapping) else trial.params
        return self.task.space.encode(params)


def distribution(gene: Gene) -> BaseDistribution:
    """What a gene is suggested from."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if gene.step is not None:
        return IntDistribution(int(gene.options[0]), int(gene.options[-1]), step=gene.step)
    return CategoricalDistribution(gene.options)


def name_objectives(study: Study, task: Task) -> None:
    """Let Optuna's dashboard show the names of the objectives, which is experimental there."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(list(task.objectives))


def _suggest(trial: Trial, gene: Gene) -> Value:
    if gene.step is not None:
        first, last = int(gene.options[0]), int(gene.options[-1])
        return trial.suggest_int(gene.name, first, last, step=gene.step)
    return trial.suggest_categorical(gene.name, gene.options)  # type: ignore[return-value]
