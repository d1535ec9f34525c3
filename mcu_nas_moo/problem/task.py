"""The search problem: objectives and constraints of the subnets of a space on a device."""

from __future__ import annotations

import hashlib
import json
import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.naming import unknown_name
from mcu_nas_moo.common.user_parts import UserCode, UserFile
from mcu_nas_moo.common.yaml_files import is_path
from mcu_nas_moo.contracts.evaluator import COSTS as COST_ORDER
from mcu_nas_moo.contracts.metrics import METRICS, limits_in, objectives_in
from mcu_nas_moo.hardware.profile import Profile, list_profiles, load_profile
from mcu_nas_moo.problem.evaluators.evaluate_all import evaluate_all, in_order
from mcu_nas_moo.problem.evaluators.task_evaluators import chosen_evaluators
from mcu_nas_moo.spaces import SearchSpace, load_space
from mcu_nas_moo.spaces.register import SpaceReference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.evaluator import Cost, NetworkEvaluator
    from mcu_nas_moo.contracts.problem import DiscreteProblem
    from mcu_nas_moo.hardware.cost_model import CostModel
    from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
    from mcu_nas_moo.problem.evaluators.checked_evaluator import CheckedEvaluator
    from mcu_nas_moo.problem.evaluators.cost_predictor import CostPredictor
    from mcu_nas_moo.problem.facts import ProblemFacts
    from mcu_nas_moo.problem.named.problem_evaluator import ProblemEvaluator


class Evaluation(NamedTuple):
    """Objectives ``F`` ``(N, n_obj)``, minimised, and constraints ``G`` ``(N, n_con)``, <= 0.

    Rows of networks that could not be evaluated are NaN; :meth:`Task.reason` says why.
    """

    F: FloatArray
    G: FloatArray


class Task:
    """A space, what tells figures of its networks, objectives and limits.

    This is the one place that computes objectives and constraints; the pymoo problem, the Optuna
    objective and the Gymnasium environment only translate.

    Args:
        space: a space, the name of a shipped one, the path of a YAML file, or ``module:Name``. Its
            networks tell as many classes apart as the accuracy is of, if that is known.
        profile: a profile, the name of a shipped one, or the path of a YAML file; None for networks
            on no device, which have no costs but those that ``evaluators`` tell.
        objectives: names out of ``metrics.OBJECTIVES``, or metrics that evaluators bring, in the
            order of the columns of ``F``.
        limits: by metric, such as ``{"latency_ms": 10}``: replace limits of the profile, or limit
            a metric that has none there; a lower limit where larger is better.
        accuracy: an accuracy predictor, its file, or any evaluator that tells ``accuracy`` or
            ``error``. The shipped predictor by default, if it knows the space.
        costs: what tells the costs. ``analytic`` is the cost model and the most exact;
            ``mlp`` learns the costs from 2,000 subnets that the model labelled (some seconds when
            first asked for, then kept in the user's cache); or the file that
            ``mcu-nas predictor fit-costs`` made, from measurements or a model; or an evaluator.
            Costs that nothing else tells stay analytic.
        evaluators: further ones: objects of ``NetworkEvaluator``, ``module:Name``, or paths of
            tables (CSV, Parquet). What they tell is not asked of the usual ones.
        predictor, predictors: old names of ``accuracy`` and ``costs``, until 0.3.

    Attributes:
        problem: that the task was made of by :meth:`of_problem`; None with networks.
        source: the name of a problem that all of it was asked for by, if it was.

    Raises:
        InputError: for unknown names, repeated objectives, bad limits, an objective that no
            evaluator tells, a metric that two tell, learned costs of another space or device, or
            a space for another number of classes than the accuracy.
    """

    problem: ProblemEvaluator | None = None
    source: str | UserCode | None = None

    def __init__(
        self,
        space: str | Path | SearchSpace = "mbconv-stage",
        profile: str | Path | Profile | None = "cortex-m7",
        objectives: Sequence[str] = ("error", "latency"),
        *,
        limits: Mapping[str, float] | None = None,
        accuracy: str | Path | NetworkEvaluator | None = None,
        costs: str | Path | NetworkEvaluator | CostPredictor = "analytic",
        evaluators: Sequence[str | Path | NetworkEvaluator] = (),
        predictor: AccuracyPredictor | None = None,
        predictors: str | Path | CostPredictor | None = None,
    ) -> None:
        if predictor is not None or predictors is not None:
            warnings.warn(
                "Task(predictor=, predictors=) are called accuracy= and costs= now; the old names "
                "end with 0.3",
                DeprecationWarning,
                stacklevel=2,
            )
            accuracy = predictor if predictor is not None else accuracy
            costs = predictors if predictors is not None else costs
        if not objectives or len(set(objectives)) != len(objectives):
            raise InputError(f"objectives must be different and at least one, got {objectives}")
        given = space if isinstance(space, SearchSpace) else load_space(space)
        file = None
        if isinstance(profile, str | Path):
            file = UserFile.of(Path(profile)) if is_path(profile) else None
            profile = load_profile(profile)
        self._profile_file = file
        usual = {} if profile is None else profile.limits.model_dump()
        changed = {
            name: limit for name, limit in (limits or {}).items() if limit != usual.get(name)
        }
        #: Limits that are other ones than the profile's own.
        self.changed_limits = changed
        of_profile = {name: limit for name, limit in changed.items() if name in usual}
        self.profile = profile and profile.with_limits(**of_profile)
        #: The space; a shipped one for as many classes as the accuracy is of.
        self.space, self.evaluators = chosen_evaluators(
            given, self.profile, accuracy, costs, evaluators
        )
        #: All metrics that can be told of a network, by name.
        self.table = self.evaluators.table
        self.objectives = tuple(objectives)
        known = objectives_in(self.table)
        for name in objectives:
            if name not in known:
                raise unknown_name("objective", name, list(known))
            self.evaluators.check_told(known[name], f"objective {name}", self.space)
        #: What the objectives minimise, or minus of it where larger is better.
        self.objective_metrics = tuple(known[name] for name in objectives)
        self._set_limits(limits or {})
        self._reasons: dict[bytes, str] = {}

    def _set_limits(self, given: Mapping[str, float]) -> None:
        """Take the profile's limits of metrics that are told, and all ``given`` ones."""
        usual = {} if self.profile is None else self.profile.limits.model_dump()
        known = [name for name in self.table if name in usual or name not in METRICS]
        for name, limit in given.items():
            if name not in known and name not in self.evaluators.told:
                raise unknown_name("limit", name, known)
            self.evaluators.check_told(self.table[name], f"limit {name}", self.space)
            if not (0 < limit < np.inf or (limit == 0 and name not in METRICS)):
                raise InputError(f"the limit of {name} must be a positive number, got {limit}")
        limits = usual | dict(given)
        limited = limits_in(self.table, [*(limits.keys() & self.evaluators.told)])
        self._limited_metrics = tuple(limited.values())
        self.constraint_names = tuple(limited)
        #: Upper limit of each constrained metric; a lower one where larger is better.
        self.limits = {metric.name: float(limits[metric.name]) for metric in limited.values()}

    @classmethod
    def of_problem(cls, problem: str | UserCode | DiscreteProblem | Task) -> Task:
        """The task of any other problem: its options are the space, and it is the only evaluator.

        Args:
            problem: the name of a shipped problem, ``module:Name`` or a name that an installed
                package announces, for an object of the contract or a ready task, or what makes
                either without arguments; what a file says of one; or such an object.

        Raises:
            InputError: if there is none of that name, its code is not that of the file, or it is
                no problem.
        """
        from mcu_nas_moo.problem.named.problem_evaluator import ProblemEvaluator
        from mcu_nas_moo.problem.named.register import find_problem

        found: Any = problem
        source = name = None
        if isinstance(problem, str | UserCode):
            found, source = find_problem(problem)
            name = problem if isinstance(problem, str) else problem.name
        if isinstance(found, Task):
            task = found
        else:
            own = ProblemEvaluator(found, name)
            task = cls(own.space, None, own.objectives, limits=own.limits, evaluators=[own])
            task.problem = own
        if source is not None:
            task.source = source
        return task

    @property
    def reference_front(self) -> FloatArray | None:
        """Objectives ``(n, n_obj)`` of the true front, if the problem itself tells them."""
        return None if self.problem is None else self.problem.reference_front

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
        return len(self.limits)

    @property
    def cost(self) -> Cost:
        """What one network takes, about: that of the slowest evaluator."""
        return max((asked.cost for asked in self.evaluators.all), key=COST_ORDER.index)

    @property
    def device_name(self) -> str:
        """Name of the profile, for people."""
        return "no device" if self.profile is None else self.profile.name

    @property
    def told(self) -> set[str]:
        """Names of the metrics that are told of a network."""
        return self.evaluators.told

    @property
    def predictor(self) -> AccuracyPredictor | None:
        """The accuracy predictor; None if something else tells the accuracy, or nothing."""
        return self.evaluators.predictor

    @property
    def accuracy_of(self) -> str:
        """What accuracy and error are measured on and how they are known, in words."""
        return self.evaluators.accuracy_of

    @property
    def cost_model(self) -> CostModel | None:
        """The analytic cost model, if it is asked for a cost."""
        return self.evaluators.cost_model

    @property
    def learned_metrics(self) -> tuple[str, ...]:
        """Costs that are told by a predictor and not computed; empty with the cost model."""
        learned = self.evaluators.learned
        return () if learned is None else tuple(learned.metrics)

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
        from mcu_nas_moo.problem.facts import ProblemFacts

        profile = self.profile
        known = None
        if profile is not None and profile.name in list_profiles():
            shipped = load_profile(profile.name)
            known = shipped.model_copy(update={"limits": profile.limits}) == profile
        named = self.source is not None  # the name tells the space and evaluators as well
        own = [] if named else self.evaluators.own
        sources = [asked.source for asked in own]
        accuracy, learned = self.evaluators.accuracy, self.evaluators.learned
        return ProblemFacts(
            **({"space": self.space.name} if named else SpaceReference.fields_of(self.space)),
            problem=self.source,
            profile=None if profile is None else profile.name,
            objectives=self.objectives,
            limits=self.limits,
            learned_metrics=self.learned_metrics,
            fingerprint=self.fingerprint,
            fingerprints=self.fingerprints,
            profile_facts=None if known else profile,
            profile_file=None if known else self._profile_file,
            predictor=_file_of(accuracy),
            learned_costs=_file_of(learned),
            evaluators=tuple(source for source in sources if source is not None),
            python_parts=tuple(
                asked.name for asked, source in zip(own, sources, strict=True) if source is None
            ),
            accuracy_of=self.evaluators.accuracy_of,
            own_metrics=tuple(m for m in self.table.values() if m.name not in METRICS),
        )

    @classmethod
    def from_facts(cls, facts: ProblemFacts, source: Path) -> Task:
        """The task that a file is about.

        Costs that the package learned are learned again.

        Args:
            facts: what the file says.
            source: the file; files of the user's that it names are looked for as seen from it.

        Raises:
            InputError: for an unknown name; if a file of the user's is missing or another one; if
                a part was made by a Python program; or if the task is another one today: its
                space, a predictor, the cost model or the profile changed.
        """
        from mcu_nas_moo.problem.facts import difference

        try:
            task = cls._found_again(facts, source.parent)
        except ValueError as error:
            raise InputError(f"{source}: {error}") from error
        task._profile_file = facts.profile_file
        changed = difference(facts, task.facts())
        if changed is not None:
            raise InputError(
                f"{source} is about the problem of before, which differs in {changed}; leave it "
                "out, or make the runs again, with predictors of your own read from files"
            )
        return task

    @classmethod
    def _found_again(cls, facts: ProblemFacts, folder: Path) -> Task:
        """The task of today that these facts, of a file in ``folder``, name."""
        from mcu_nas_moo.problem.stored_task import arguments_of

        if facts.problem is not None:
            return cls.of_problem(facts.problem)
        return cls(**arguments_of(facts, folder))

    def evaluate(self, X: Any) -> Evaluation:
        """Objectives and constraints of the genotypes ``X``, integers of shape ``(N, n_genes)``.

        Constraints are ``value / limit - 1``, free of units.

        Raises:
            InputError: if shape, dtype or a value of ``X`` does not fit the space, or an evaluator
                breaks its contract.
        """
        return self.score(self.metrics(X))

    def score(self, metrics: Mapping[str, FloatArray]) -> Evaluation:
        """Objectives and constraints of networks whose :meth:`metrics` are known already."""
        F = [metric.minimised(metrics[metric.name]) for metric in self.objective_metrics]
        return Evaluation(np.stack(F, axis=1), self._constraints(metrics, len(F[0])))

    def _constraints(self, metrics: Mapping[str, FloatArray], n: int) -> FloatArray:
        G = [
            metric.excess(metrics[metric.name], self.limits[metric.name])
            for metric in self._limited_metrics
        ]
        return np.stack(G, axis=1) if G else np.zeros((n, 0))

    @property
    def limits_are_quick(self) -> bool:
        """Whether no limit is on a metric that takes seconds for a network, or longer."""
        return self.limits.keys() <= self.evaluators.quick.told

    def constraints(self, X: Genotypes) -> FloatArray:
        """Constraints ``(N, n_con)`` of the genotypes ``X`` ``(N, n_genes)``.

        What takes seconds is asked only if a limit is on it. Networks that could not be evaluated
        are NaN.
        """
        asked = self.evaluators.quick if self.limits_are_quick else self.evaluators
        return self._constraints(evaluate_all(asked.all, self.space, X).values, len(X))

    def metrics(self, X: Any) -> dict[str, FloatArray]:
        """All figures of the genotypes ``X``, integers of shape ``(N, n_genes)``.

        Returns:
            arrays of shape ``(N,)`` by metric, shares in [0, 1], in the order of tables;
            ``constraint_violation`` only if it was learned. It informs; the constraints are those
            of the limited costs. Networks that could not be evaluated are NaN throughout.
        """
        X = self.space.check(X)
        answer = evaluate_all(self.evaluators.all, self.space, X)
        if answer.reasons:
            failed = self.space.canonical(X[[*answer.reasons]])
            for x, reason in zip(failed, answer.reasons.values(), strict=True):
                self._reasons.setdefault(x.tobytes(), reason)
        names = in_order(tuple(answer.values), tuple(self.table))
        return {name: answer.values[name] for name in names}

    def reason(self, x: Any) -> str | None:
        """Why the network ``x`` ``(n_genes,)`` could not be evaluated; None if it could."""
        (key,) = self.space.canonical(np.asarray(x)[None])
        return self._reasons.get(key.tobytes())

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
        return {
            "space": self.space.facts,
            "limits": self.limits,
            "objectives": self.objectives,
            **self.evaluators.facts,
        }


def _file_of(asked: CheckedEvaluator | None) -> UserFile | None:
    source = None if asked is None else asked.source
    return source if isinstance(source, UserFile) else None


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
