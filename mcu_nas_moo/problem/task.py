"""The search problem: objectives and constraints of the subnets of a space on a device."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.workpool import cores
from mcu_nas_moo.contracts.metrics import LIMITED, METRICS, OBJECTIVES
from mcu_nas_moo.hardware.cost_model import CostModel, Costs
from mcu_nas_moo.hardware.cost_model.part_totals import PartTotals
from mcu_nas_moo.hardware.profile import Profile, list_profiles, load_profile
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.evaluators.cost_choice import cost_predictor
from mcu_nas_moo.problem.facts import ProblemFacts, difference
from mcu_nas_moo.spaces import MBConvSpace, load_space

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from threadpoolctl import ThreadpoolController

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.problem.evaluators.cost_predictor import CostPredictor

#: Costs among the metrics, in the order of tables.
COSTS = tuple(name for name in METRICS if name in Costs._fields)
#: Networks that are evaluated together: their layer tables fit into the processor's cache.
CHUNK = 2048


@cache
def _thread_pools() -> ThreadpoolController:
    """Those of the libraries that numpy computes with; looked up once, which takes a moment."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class Evaluation(NamedTuple):
    """Objectives ``F`` ``(N, n_obj)``, minimised, and constraints ``G`` ``(N, n_con)``, <= 0."""

    F: FloatArray
    G: FloatArray


class Task:
    """Space, accuracy predictor, cost model and limits, evaluated together.

    This is the one place that computes objectives and constraints; the pymoo problem, the Optuna
    objective and the Gymnasium environment only translate.

    Args:
        space: a space or the name of a shipped one.
        profile: a profile, the name of a shipped one, or the path of a YAML file.
        objectives: names out of ``metrics.OBJECTIVES``, in the order of the columns of ``F``.
        limits: replace limits of the profile, by metric, such as ``{"latency_ms": 10}``.
        predictor: accuracy predictor; the shipped one by default.
        predictors: what tells the costs. ``analytic`` is the cost model and the most exact;
            ``mlp`` learns the costs from 2,000 subnets that the model labelled (some seconds when
            first asked for, then kept in the user's cache); or the file that
            ``mcu-nas predictor fit-costs`` made, from measurements or a model; or an object with
            the methods of ``CostPredictor``. Costs that
            were not learned stay analytic.

    Raises:
        InputError: for unknown names, repeated objectives, bad limits, or learned costs of another
            space or device.
    """

    def __init__(
        self,
        space: str | MBConvSpace = "mbconv-stage",
        profile: str | Path | Profile = "cortex-m7",
        objectives: Sequence[str] = ("error", "latency"),
        *,
        limits: Mapping[str, float] | None = None,
        predictor: AccuracyPredictor | None = None,
        predictors: str | Path | CostPredictor = "analytic",
    ) -> None:
        for name in objectives:
            if name not in OBJECTIVES:
                raise unknown_name("objective", name, list(OBJECTIVES))
        if not objectives or len(set(objectives)) != len(objectives):
            raise InputError(f"objectives must be different and at least one, got {objectives}")
        limited = [metric.name for metric in LIMITED.values()]
        unknown = set(limits or {}) - set(limited)
        if unknown:
            raise unknown_name("limit", min(unknown), limited)
        self.space = load_space(space) if isinstance(space, str) else space
        profile = profile if isinstance(profile, Profile) else load_profile(profile)
        usual = profile.limits.model_dump()
        #: Limits that are other ones than the profile's own.
        self.changed_limits = {n: v for n, v in (limits or {}).items() if v != usual[n]}
        self.profile = profile.with_limits(**self.changed_limits)
        self.objectives = tuple(objectives)
        self.predictor = predictor or AccuracyPredictor.load()
        self.cost_model = CostModel.of(self.profile)
        self.learned_costs = cost_predictor(predictors, self.space, self.profile)

    @property
    def n_genes(self) -> int:
        """Number of genes of a genotype."""
        return self.space.n_genes

    @property
    def n_choices(self) -> IntArray:
        """Options per gene, shape ``(n_genes,)``."""
        return self.space.n_choices

    @property
    def n_obj(self) -> int:
        """Number of objectives."""
        return len(self.objectives)

    @property
    def n_con(self) -> int:
        """Number of constraints."""
        return len(LIMITED)

    @property
    def constraint_names(self) -> tuple[str, ...]:
        """Names of the columns of ``G``."""
        return tuple(LIMITED)

    @cached_property
    def limits(self) -> dict[str, float]:
        """Upper limit of each constrained metric."""
        return {m.name: getattr(self.profile.limits, m.name) for m in LIMITED.values()}

    @property
    def learned_metrics(self) -> tuple[str, ...]:
        """Metrics that are predicted by an MLP and not computed; empty with the cost model."""
        return () if self.learned_costs is None else tuple(self.learned_costs.metrics)

    @cached_property
    def name(self) -> str:
        """For files: those of references, studies and results."""
        return self.facts().name

    @cached_property
    def title(self) -> str:
        """For people."""
        return self.facts().title

    def facts(self) -> ProblemFacts:
        """What files say about this task; :meth:`from_facts` makes it again."""
        profile = self.profile
        shipped = load_profile(profile.name) if profile.name in list_profiles() else None
        known = shipped and shipped.model_copy(update={"limits": profile.limits}) == profile
        return ProblemFacts(
            space=self.space.name,
            profile=profile.name,
            objectives=self.objectives,
            limits=self.limits,
            learned_metrics=self.learned_metrics,
            fingerprint=self.fingerprint,
            fingerprints=self.fingerprints,
            classes=self.space.spec.classes,
            profile_facts=None if known else profile,
            predictor=self.predictor.file,
            learned_costs=getattr(self.learned_costs, "file", None),
        )

    @classmethod
    def from_facts(cls, facts: ProblemFacts, source: Path) -> Task:
        """The task that a file is about.

        Costs that the package learned are learned again.

        Args:
            facts: what the file says.
            source: the file; files of the user's that it names are looked for as seen from it.

        Raises:
            InputError: for an unknown name; if a file of the user's is missing or another one; or
                if the task is another one today: its space, a predictor, the cost model or the
                profile changed.
        """
        try:
            if facts.profile_facts is None and facts.profile not in list_profiles():
                raise unknown_name("profile", facts.profile, list_profiles())
            folder, predictor, learned = source.parent, facts.predictor, facts.learned_costs
            task = cls(
                load_space(facts.space, facts.classes),
                facts.profile_facts or load_profile(facts.profile),
                facts.objectives,
                limits=facts.limits,
                predictor=AccuracyPredictor.load(predictor.find(folder)) if predictor else None,
                predictors=learned.find(folder)
                if learned
                else ("mlp" if facts.learned_metrics else "analytic"),
            )
        except ValueError as error:
            raise InputError(f"{source}: {error}") from error
        changed = difference(facts, task.facts())
        if changed is not None:
            raise InputError(
                f"{source} is about the problem of before, which differs in {changed}; leave it "
                "out, or make the runs again, with predictors of your own read from files"
            )
        return task

    def evaluate(self, X: Any) -> Evaluation:
        """Objectives and constraints of the genotypes ``X``, integers of shape ``(N, n_genes)``.

        Constraints are ``value / limit - 1``, free of units.

        Raises:
            InputError: if shape, dtype or a value of ``X`` does not fit the space.
        """
        return self.score(self.metrics(X))

    def score(self, metrics: Mapping[str, FloatArray]) -> Evaluation:
        """Objectives and constraints of networks whose :meth:`metrics` are known already."""
        return Evaluation(
            np.stack([metrics[OBJECTIVES[name].name] for name in self.objectives], axis=1),
            np.stack([metrics[m] / limit - 1.0 for m, limit in self.limits.items()], axis=1),
        )

    def metrics(self, X: Any) -> dict[str, FloatArray]:
        """All figures of the genotypes ``X``, integers of shape ``(N, n_genes)``.

        Returns:
            arrays of shape ``(N,)`` of all ``contracts.metrics.METRICS``, shares in [0, 1];
            ``constraint_violation`` only if it was learned. It informs; the constraints are those
            of the limited costs.
        """
        X = self.space.check(X)
        chunks = [X[start : start + CHUNK] for start in range(0, len(X), CHUNK)] or [X]
        # Matrix products are small: threads of their own would wait for each other longer than they
        # compute, most of all on a machine with other work.
        with _thread_pools().limit(limits=1, user_api="blas"):
            if len(chunks) == 1:
                return self._metrics_of_chunk(X)
            with ThreadPoolExecutor(cores()) as pool:
                parts = list(pool.map(self._metrics_of_chunk, chunks))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @cached_property
    def _totals(self) -> PartTotals:
        return PartTotals(self.space, self.cost_model)

    def _metrics_of_chunk(self, X: Genotypes) -> dict[str, FloatArray]:
        totals = self._totals.of(X)
        costs: dict[str, FloatArray] = self.cost_model.costs_of(totals)._asdict()
        if self.learned_costs is not None:
            costs.update(self.learned_costs.predict(self.space, X))
        predicted = self.predictor.predict(self.space, X)
        return {
            "accuracy": predicted.accuracy,
            "accuracy_std": predicted.std,
            "error": 1.0 - predicted.accuracy,
            **{name: costs[name] for name in COSTS},
            "macs_m": totals.macs / 1e6,
            **costs,
        }

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides the objectives and constraints: equal hash, equal problem."""
        return _hash(self._facts)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """A hash of each part, by its name, to say which one makes two tasks differ."""
        return {name: _hash(facts) for name, facts in self._facts.items()}

    @property
    def _facts(self) -> dict[str, Any]:
        facts = {
            "space": self.space.spec.model_dump(mode="json"),
            "predictor": self.predictor.fingerprint,
            "costs": self.cost_model.fingerprint,
            "limits": self.limits,
            "objectives": self.objectives,
        }
        if self.learned_costs is not None:
            facts["learned"] = [self.learned_costs.fingerprint, *self.learned_metrics]
            if set(self.learned_metrics) >= set(COSTS):
                del facts["costs"]  # they decide nothing then
        return facts


def task_of(task: Task | None, profile: Any, space: Any, objectives: Any, limits: Any) -> Task:
    """``task`` if there is one, else the task with the given settings; None means the default.

    Raises:
        InputError: if both a task and settings are given, which might contradict each other.
    """
    settings = {"profile": profile, "space": space, "objectives": objectives, "limits": limits}
    given = {name: value for name, value in settings.items() if value is not None}
    if task is None:
        return Task(**given)
    if given:
        raise InputError(f"a task already fixes {', '.join(given)}; give one or the other")
    return task


def _hash(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
