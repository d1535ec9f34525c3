"""A problem as plain data: the one form that files of results, suites and searches hold."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from mcu_nas_moo.common.naming import file_name
from mcu_nas_moo.common.user_parts import UserCode, UserFile
from mcu_nas_moo.common.yaml_files import Name, validate
from mcu_nas_moo.contracts.metrics import Metric, limits_in, metric_table, objectives_in
from mcu_nas_moo.hardware.profile import Profile
from mcu_nas_moo.problem.evaluators.accuracy_predictor import SHIPPED_ACCURACY
from mcu_nas_moo.problem.evaluators.trained_accuracy import AccuracySource
from mcu_nas_moo.spaces.register import SpaceReference

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Fields that name a file of the user's.
FILES = ("predictor", "learned_costs", "profile_file")
#: What the parts of a problem are called; a part has a hash in ``fingerprints``.
PARTS = {
    "space": "the space",
    "predictor": "the accuracy predictor",
    "costs": "the cost model",
    "limits": "the profile's limits",
    "objectives": "the objectives",
    "learned": "the learned costs",
    "evaluators": "the evaluators",
}


class ProblemFacts(SpaceReference):
    """What is searched: enough to tell two problems apart, and to make the task again.

    Args:
        profile: name of the profile; None without a device.
        objectives: names of what is minimised.
        limits: upper limit of each constrained metric; empty if the file does not tell.
        learned_metrics: metrics that are not computed but learned.
        fingerprint: of the task, see :attr:`Task.fingerprint`.
        fingerprints: of the task's parts; empty if the file does not tell.
        profile_facts: the profile, if it is not a shipped one, but for its limits.
        profile_file: where it was read from.
        predictor: accuracy predictor, if it is not the shipped one.
        learned_costs: what the costs were learned into; None if the package learns them itself.
        evaluators: further ones that can be found again: tables and code.
        python_parts: names of evaluators that only a Python program can make.
        own_metrics: that the evaluators bring.
        problem: the name of a problem that all of it was asked for by.
        accuracy_of: what accuracy and error are measured on, and how they are known, in words.
    """

    profile: Name | None = None
    objectives: tuple[Name, ...]
    limits: dict[str, float] = Field({})
    learned_metrics: tuple[str, ...] = ()
    fingerprint: str
    fingerprints: dict[str, str] = Field({})
    profile_facts: Profile | None = None
    profile_file: UserFile | None = None
    predictor: UserFile | None = None
    learned_costs: UserFile | None = None
    evaluators: tuple[UserFile | UserCode | AccuracySource, ...] = ()
    python_parts: tuple[str, ...] = ()
    own_metrics: tuple[Metric, ...] = ()
    problem: Name | UserCode | None = None
    accuracy_of: str = SHIPPED_ACCURACY

    @property
    def table(self) -> dict[str, Metric]:
        """All metrics of the problem, by name."""
        return metric_table(self.own_metrics, self.accuracy_of)

    @property
    def objectives_known(self) -> dict[str, Metric]:
        """What could be minimised, by the name of the objective."""
        return objectives_in(self.table)

    @property
    def objective_metrics(self) -> list[Metric]:
        """What the objectives minimise."""
        known = self.objectives_known
        return [known[name] for name in self.objectives]

    @property
    def limited_metrics(self) -> list[Metric]:
        """What has a limit, in the order of the columns of ``G``."""
        return [*limits_in(self.table, self.limits).values()]

    @property
    def name(self) -> str:
        """For files, such as ``mbconv-stage--cortex-m7--error-latency``."""
        names = [self.space, self.profile, "-".join(self.objectives), self.own_parts]
        return file_name(*(name for name in names if name is not None))

    @property
    def own_parts(self) -> str | None:
        """A short name for all that the user brought; None if there is none."""
        own = {
            "space": self.space_facts or self.space_code,
            "predictor": self.predictor,
            "evaluators": self.evaluators or self.python_parts,
            "costs": self.profile_facts,
            "limits": self.profile_facts,
        }
        hashes = [self.fingerprints.get(name) for name, part in own.items() if part]
        if not hashes:
            return None
        return "own-" + hashlib.sha256(" ".join(map(str, hashes)).encode()).hexdigest()[:8]

    @property
    def problem_name(self) -> str | None:
        """What the problem was asked for by; None if it was a space and what evaluates it."""
        return self.problem.name if isinstance(self.problem, UserCode) else self.problem

    @property
    def noun(self) -> str:
        """What a genotype stands for, for people."""
        return "subnet" if self.problem is None else "solution"

    @property
    def title(self) -> str:
        """Space and profile, and that costs are learned if they are; for people."""
        learned = ", learned costs" if self.learned_metrics else ""
        device = "" if self.profile is None else f" on {self.profile}"
        return f"{self.space}{device}{learned}"

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            name: value
            for name, value in dump(self).items()
            if getattr(self, name) != fields[name].default
        }

    def plain(self, folder: Path | None = None) -> dict[str, Any]:
        """For a JSON file in ``folder``; fields that stand at their default are left out.

        Files below that folder are named as seen from it, so that it can be moved.
        """
        facts = self.model_dump(mode="json")
        parts = [*(facts.get(name) for name in FILES), *facts.get("evaluators", ())]
        for part in parts:
            path = Path(part["file"]) if part and "file" in part else None
            if path and folder and path.is_relative_to(folder.absolute()):
                part["file"] = path.relative_to(folder.absolute()).as_posix()
        return facts


def problem_facts(values: Mapping[str, Any], source: str) -> ProblemFacts:
    """The problem among what a file holds; it may hold more.

    Args:
        values: all that the file holds.
        source: how messages refer to it.

    Raises:
        InputError: if a fact is missing or wrong.
    """
    known = {name: value for name, value in values.items() if name in ProblemFacts.model_fields}
    return validate(ProblemFacts, known, source)


def changed_parts(there: Mapping[str, str], here: Mapping[str, str]) -> dict[str, str]:
    """What the parts are called whose hash differs; none, if a file tells no hashes."""
    names = {**here, **there} if there else {}
    return {name: PARTS.get(name, name) for name in names if there.get(name) != here.get(name)}


def difference(there: ProblemFacts, here: ProblemFacts) -> str | None:
    """What makes the problem of a file, ``there``, another one than ``here``, in words.

    It follows "differs in"; None if both are the same.
    """
    if (there.fingerprint, there.profile) == (here.fingerprint, here.profile):
        return None
    for name in ("space", "profile", "objectives", "limits", "learned_metrics"):
        before, now = getattr(there, name), getattr(here, name)
        if before and before != now:  # a file may not tell
            first, second = _in_words(before, now), _in_words(now, before)
            return f"{name.replace('_', ' ')}: {first} there, {second} here"
    changed = changed_parts(there.fingerprints, here.fingerprints).values()
    return " and ".join(changed) or (
        "a predictor, the cost model, the space or the profile: fingerprint "
        f"{there.fingerprint} there, {here.fingerprint} here"
    )


def _in_words(value: Any, other: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{n} {v:g}" for n, v in sorted(value.items() - other.items()))
    return ",".join(value) if isinstance(value, tuple) else str(value)
