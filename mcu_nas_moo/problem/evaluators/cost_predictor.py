"""Costs of subnets, predicted by an ensemble of multilayer perceptrons."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from pydantic import TypeAdapter

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.user_parts import UserFile
from mcu_nas_moo.contracts.metrics import VIOLATION
from mcu_nas_moo.hardware.cost_model import CostModel, Costs
from mcu_nas_moo.problem.evaluators.perceptrons import MLPEnsemble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.common.arrays import FloatArray
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces import SearchSpace

#: The command that makes a file of learned costs.
COMMAND = "mcu-nas predictor fit-costs"
#: Metrics that can be learned.
LEARNABLE = (*Costs._fields, VIOLATION)


@runtime_checkable
class CostPredictor(Protocol):
    """What takes the place of the analytic cost model in a task, for the metrics it knows.

    Same genotypes, same values, whatever batch they come in.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names out of :data:`LEARNABLE`; the task computes all other costs analytically."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides the predictions: equal hash, equal values."""

    def predict(self, space: SearchSpace, X: Any) -> Mapping[str, FloatArray]:
        """Values ``(N,)`` of each of :attr:`metrics` for the genotypes ``X`` ``(N, n_genes)``."""

    def check(self, space: SearchSpace, profile: Profile) -> None:
        """Raise an InputError if the predictor is not for this space and profile."""


@dataclass(frozen=True)
class Scope:
    """What learned costs hold for.

    Attributes:
        structure: hash of the options of the space.
        platform: board, clock and runtime.
        costs: fingerprint of the cost model that computed the labels; None if the labels were
            measured, or come from elsewhere.
        limits: limits that a learned constraint violation refers to; None without one.
    """

    space: str
    profile: str
    structure: str
    platform: str
    costs: str | None
    limits: dict[str, float] | None

    @classmethod
    def of(cls, space: SearchSpace, profile: Profile, *, analytic: bool, violation: bool) -> Scope:
        """The scope of labels of ``space`` on the device of ``profile``."""
        facts = {name: value for name, value in space.facts.items() if name != "name"}
        structure = json.dumps(facts, sort_keys=True)
        device, runtime = profile.device, Path(profile.runtime).name
        return cls(
            space=space.name,
            profile=profile.name,
            structure=hashlib.sha256(structure.encode()).hexdigest()[:16],
            platform=f"{device.board} at {device.clock_mhz:g} MHz with {runtime}",
            costs=CostModel.of(profile).fingerprint if analytic else None,
            limits=profile.limits.model_dump() if violation else None,
        )


@dataclass(frozen=True, eq=False)
class LearnedCosts:
    """Costs of the subnets of one space on one device, by an MLP that was fitted to labels.

    Attributes:
        ensemble: from ``features`` to the logarithm of each
            metric (of one plus the metric for the constraint violation, which may be 0).
        metrics: names of the ensemble's outputs, out of :data:`LEARNABLE`.
        file: where it was read from; None if it was made here.
    """

    ensemble: MLPEnsemble
    metrics: tuple[str, ...]
    scope: Scope
    file: UserFile | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and the metrics that they are for."""
        facts = json.dumps([self.ensemble.fingerprint, self.metrics])
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def predict(self, space: SearchSpace, X: Any) -> dict[str, FloatArray]:
        """Values ``(N,)`` of each metric for the genotypes ``X``, shape ``(N, n_genes)``.

        The logarithms are rounded to nine digits: a network then has the same values alone and
        in any batch, whatever order the sums are taken in.

        Raises:
            InputError: if the space has other stages or blocks than the labels had.
        """
        inputs = space.features(X)
        if inputs.shape[1] != self.ensemble.n_features:
            raise InputError(
                f"these costs were learned for space {self.scope.space!r}, not {space.name!r}; "
                f"{_remedy(space.name, self.scope.profile)}"
            )
        outputs = self.ensemble.outputs(inputs).mean(axis=0).round(9)
        return {
            name: from_log(name, np.ascontiguousarray(column))
            for name, column in zip(self.metrics, outputs.T, strict=True)
        }

    def check(self, space: SearchSpace, profile: Profile) -> None:
        """Make sure that the labels were of this space, device, runtime and cost model.

        Raises:
            InputError: if they were not; the message names what differs and the remedy.
        """
        mine = self.scope
        here = Scope.of(
            space, profile, analytic=mine.costs is not None, violation=mine.limits is not None
        )
        if mine.space != here.space or mine.platform != here.platform:
            known = f"{mine.space} on {mine.platform}"
            problem = f"learned for {known}, not for {here.space} on {here.platform}"
        elif mine.structure != here.structure:
            problem = f"learned for another space that was called {mine.space} as well"
        elif mine.costs != here.costs:
            problem = "learned from a cost model with other coefficients"
        elif mine.limits != here.limits:
            problem = (
                f"a constraint violation was learned for the limits {mine.limits}, not for "
                f"{here.limits} (costs learned without it hold for all limits)"
            )
        else:
            return
        raise InputError(f"the learned costs do not fit: {problem}; {_remedy(space, profile)}")

    def save(self, path: Path) -> None:
        """Write a safetensors file; :meth:`load` reads it."""
        facts = {"metrics": list(self.metrics), "scope": asdict(self.scope)}
        replace(self.ensemble, details=self.ensemble.details | facts).save(path)

    @classmethod
    def load(cls, path: Path) -> LearnedCosts:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: if the file is missing or damaged; the message names the command that
                makes it.
        """
        if not path.is_file():
            raise InputError(f"{path} is missing; make it with `{COMMAND} --out {path}`")
        with parsing(path, f"make it again with `{COMMAND} --out {path}`", "learned costs"):
            ensemble = MLPEnsemble.read(path)
            metrics = tuple(ensemble.details["metrics"])
            if not metrics or not set(metrics) <= set(LEARNABLE):
                raise InputError(f"its metrics are {metrics}")
            if ensemble.last[0].shape[-1] != len(metrics):
                raise InputError("it has another number of outputs than metrics")
            scope = TypeAdapter(Scope).validate_python(ensemble.details["scope"])
            return cls(ensemble, metrics, scope, UserFile.of(path))


def _remedy(space: SearchSpace | str, profile: Profile | str) -> str:
    names = [part if isinstance(part, str) else part.name for part in (space, profile)]
    return f"fit some with `{COMMAND} --space {names[0]} --profile {names[1]}`"


def to_log(metric: str, values: FloatArray) -> FloatArray:
    """What the MLP learns of a metric's ``values``."""
    return np.log1p(values) if metric == VIOLATION else np.log(values)


def from_log(metric: str, values: FloatArray) -> FloatArray:
    """The inverse of :func:`to_log`; violations are never below 0."""
    return np.expm1(np.maximum(values, 0.0)) if metric == VIOLATION else np.exp(values)


def constraint_violation(metrics: Mapping[str, FloatArray], profile: Profile) -> FloatArray:
    """Sum ``(N,)`` over the profile's limits of ``max(0, value / limit - 1)``; 0 is feasible."""
    limits = profile.limits.model_dump()
    excess = [np.maximum(metrics[name] / limit - 1.0, 0.0) for name, limit in limits.items()]
    return np.asarray(np.sum(excess, axis=0))
