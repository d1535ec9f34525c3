"""The PPO optimiser as an algorithm of pymoo."""

from __future__ import annotations

from inspect import signature
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import moocore
import numpy as np
from pymoo.core.algorithm import Algorithm
from pymoo.core.population import Population
from pymoo.core.variable import Binary, Choice, Integer
from pymoo.util.display.multi import MultiObjectiveOutput
from pymoo.util.display.single import SingleObjectiveOutput
from pymoo.util.optimum import filter_optimum

from mcu_nas_moo.common.genotypes import row_keys
from mcu_nas_moo.optimisers.ppo.optimiser import PPOOptimiser
from mcu_nas_moo.optimisers.ppo.settings import PPOSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pymoo.core.problem import Problem

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes


class PPO(Algorithm):  # type: ignore[misc]
    """Proximal policy optimisation for discrete problems of pymoo.

    Every variable must be an integer, a choice or a binary; objectives and constraints may be any
    number::

        result = minimize(problem, PPO(), ("n_eval", 2000), seed=1)

    One iteration evaluates ``settings.batch_size`` points, the last one before a limit on
    evaluations only as many as are left. No point is proposed twice; once all are evaluated, the
    run ends. ``opt``, and so ``result.X`` and ``result.F``, is the best of *everything* evaluated:
    the feasible points that no other dominates, or the one of least violation if none is feasible.
    ``pop`` is the same with the latest batch. An evaluation with a NaN or an infinity counts as
    failed: infeasible by an infinite violation, neither learnt from nor tried again.

    Constraints may have any units: each is divided by its typical violation in the first batch.

    Args:
        settings: hyperparameters.
        canonical: for problems in which several points denote the same: maps option indices
            ``(N, n_var)`` to those of the representatives, which alone are proposed. The index of
            an option is its place among the values of its variable, which for integers is ``x -
            xl``. By default the problem's own method of that name, if it has one, as
            ``McuNasProblem`` does.
        output: columns shown with ``verbose=True``; by default those of pymoo's algorithms.
        tensorboard: folder for a record of the learning; None for none.
        kwargs: as of every algorithm of pymoo: callback, termination, seed, save_history ...

    Raises:
        TypeError: for an argument that neither PPO nor pymoo's algorithms have.
        ValueError: at the start of a run, if the problem has variables that are not discrete.
    """

    output: Any
    opt: Any
    pop: Any

    def __init__(
        self,
        settings: PPOSettings | None = None,
        *,
        canonical: Callable[[Genotypes], Genotypes] | None = None,
        output: Any = None,
        tensorboard: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        unknown = set(kwargs) - set(signature(Algorithm.__init__).parameters)
        if unknown:  # pymoo would ignore them.
            raise TypeError(
                f"PPO has no argument {min(unknown)!r}; hyperparameters are given as "
                "PPO(PPOSettings(batch_size=16))"
            )
        super().__init__(output=output, **kwargs)
        self.tensorboard = tensorboard
        self.settings = PPOSettings() if settings is None else settings
        self.canonical = canonical

    def setup(self, problem: Problem, **kwargs: Any) -> PPO:
        """Prepare a run on ``problem``; keyword arguments as of every algorithm of pymoo."""
        if self.output is None:
            single = problem.n_obj == 1
            self.output = SingleObjectiveOutput() if single else MultiObjectiveOutput()
        super().setup(problem, **kwargs)
        return self

    def _setup(self, problem: Problem, **_: Any) -> None:
        self._variables = Variables(problem)
        self._optimiser = PPOOptimiser(
            self._variables.n_choices,
            problem.n_obj,
            problem.n_constr,
            seed=int(self.random_state.integers(2**32)),
            settings=self.settings,
            canonical=self.canonical or getattr(problem, "canonical", None),
            ordered=self._variables.ordered,
            tensorboard=self.tensorboard,
        )
        self._units: FloatArray | None = None
        self._unanswered: set[bytes] = set()

    def _initialize_infill(self) -> Population | None:
        return self._infill()

    def _initialize_advance(self, infills: Population | None = None, **_: Any) -> None:
        self._advance(infills)

    def _infill(self) -> Population | None:
        X = self._optimiser.ask(min(self.settings.batch_size, self._evaluations_left()))
        if not len(X):
            self.termination.terminate()
            return None
        self._unanswered.update(row_keys(X))
        return Population.new(X=self._variables.values(X))

    def _advance(self, infills: Population | None = None, **_: Any) -> None:
        if infills is None or not len(infills):
            return
        X = self._variables.indices(infills.get("X"))
        self._unanswered.difference_update(row_keys(X))
        F, G = np.asarray(infills.get("F"), dtype=float), _constraints(infills)
        evaluated = np.isfinite(F).all(axis=1) & np.isfinite(G).all(axis=1)
        infills[~evaluated].set("CV", np.full((int((~evaluated).sum()), 1), np.inf))
        if evaluated.any():
            X, F, G = X[evaluated], F[evaluated], G[evaluated]
            if self._units is None:
                self._units = _typical_violation(G)
            self._optimiser.tell(X, F, G / self._units)
        self.pop = infills if self.opt is None else Population.merge(self.opt, infills)
        # Ends here rather than with an empty batch, which those who ask and tell would stumble on.
        if self._optimiser.exhausted and not self._unanswered:
            self.termination.terminate()

    def _set_optimum(self) -> None:
        feasible = self.pop[self.pop.get("feas")]
        if self.problem.n_obj > 1 and len(feasible):
            best = moocore.is_nondominated(feasible.get("F"), keep_weakly=True)
            self.opt = feasible[best]
        else:
            self.opt = filter_optimum(self.pop, least_infeasible=True)

    def _evaluations_left(self) -> int:
        """Evaluations until the termination ends the run; a batch if it sets no limit."""
        criteria = getattr(self.termination, "criteria", [self.termination])
        limits = [getattr(criterion, "n_max_evals", None) for criterion in criteria]
        left = min((limit for limit in limits if limit is not None), default=np.inf)
        left -= self.evaluator.n_eval
        return int(left) if 1 <= left < np.inf else self.settings.batch_size


class Variables:
    """The variables of a problem, each with a finite list of values.

    Args:
        problem: a problem of pymoo, either with ``vars`` or with ``vtype`` int or bool and bounds.

    Attributes:
        n_choices: number of values per variable, shape ``(n_var,)``.
        ordered: whether neighbouring values are alike: numbers that only grow, shape ``(n_var,)``.

    Raises:
        ValueError: if a variable is not discrete or has no bounds.
    """

    def __init__(self, problem: Problem) -> None:
        self._names: list[Any] | None = None
        variables = getattr(problem, "vars", None)
        if variables is not None:
            self._names = list(variables)
            self._options = [_options(name, variable) for name, variable in variables.items()]
        else:
            kind = np.dtype(problem.vtype).kind
            if kind not in "biu":
                raise ValueError(
                    f"PPO needs discrete variables, but the problem's vtype is {problem.vtype}; "
                    "give the problem vtype=int or bool, or describe its variables by vars"
                )
            self._dtype = np.dtype(bool if kind == "b" else np.int64)
            lower, upper = problem.xl, problem.xu
            if kind == "b" and lower is None and upper is None:
                lower, upper = np.zeros(problem.n_var), np.ones(problem.n_var)
            if lower is None or upper is None:
                raise ValueError("PPO needs bounds of the variables; give the problem xl and xu")
            self._options = [
                _range(number, *bounds)
                for number, bounds in enumerate(zip(lower, upper, strict=True))
            ]
            self._first = np.array([options[0] for options in self._options])
        self.n_choices = np.array([len(options) for options in self._options])
        self.ordered = np.array([_ordered(options) for options in self._options])

    def values(self, X: Genotypes) -> Any:
        """What pymoo evaluates: an array ``(N, n_var)``, or a list of N dicts for ``vars``."""
        if self._names is None:
            return (X + self._first).astype(self._dtype)
        return [
            {
                name: options[index]
                for name, options, index in zip(self._names, self._options, row, strict=True)
            }
            for row in X.tolist()
        ]

    def indices(self, values: Any) -> Genotypes:
        """Indices of options ``(N, n_var)`` for what pymoo evaluates.

        Raises:
            ValueError: if a value is none of its variable's.
        """
        if self._names is None:
            numbers = np.asarray(values, dtype=float) - self._first
            X: Genotypes = numbers.astype(np.int64)
            if (numbers != X).any() or (X < 0).any() or (X >= self.n_choices).any():
                raise ValueError("a point has a value that is no integer within the bounds")
            return X
        named = list(zip(self._names, self._options, strict=True))
        try:
            return np.array([[options.index(x[name]) for name, options in named] for x in values])
        except ValueError as error:
            raise ValueError("a point has a value that its variable does not offer") from error


def _options(name: Any, variable: Any) -> Sequence[Any]:
    """The values of a variable of a mixed-variable problem."""
    if isinstance(variable, Binary):
        return [False, True]
    if isinstance(variable, Integer):
        return _range(name, *variable.bounds)
    if isinstance(variable, Choice):
        return list(variable.options)
    raise ValueError(
        f"PPO needs discrete variables, but {name!r} is {type(variable).__name__}; make it an "
        "Integer (a step number) or a Choice of values"
    )


def _range(name: Any, lower: Any, upper: Any) -> range:
    if lower is None or upper is None or not np.isfinite([lower, upper]).all():
        raise ValueError(f"variable {name!r} needs a lower and an upper bound")
    options = range(int(np.ceil(lower)), int(np.floor(upper)) + 1)
    if not options:
        raise ValueError(f"no integer lies within the bounds {lower} and {upper} of {name!r}")
    return options


def _ordered(options: Sequence[Any]) -> bool:
    if isinstance(options, range):
        return True
    numbers = all(isinstance(option, int | float | np.number) for option in options)
    return numbers and all(one < next_one for one, next_one in pairwise(options))


def _constraints(infills: Population) -> FloatArray:
    """All constraints, met if <= 0, shape ``(N, n_constr)``: as pymoo itself judges them."""
    config = infills[0].config
    G, H = (np.asarray(infills.get(name), dtype=float) for name in ("G", "H"))
    inequality = G.reshape(len(infills), -1) - config["cv_ieq"]["eps"]
    equality = np.abs(H.reshape(len(infills), -1)) - config["cv_eq"]["eps"]
    return np.concatenate([inequality, equality], axis=1)


def _typical_violation(G: FloatArray) -> FloatArray:
    """Median violation of each constraint ``(n_con,)``; median slack where none is violated."""
    typical = np.ones(G.shape[1])
    for column, values in enumerate(G.T):
        magnitudes = values[values > 0] if (values > 0).any() else np.abs(values)
        typical[column] = np.median(magnitudes) or 1.0
    return typical
