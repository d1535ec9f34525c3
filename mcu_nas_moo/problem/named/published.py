"""What the shipped problems share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Published:
    """Base of the problems: its fields are all that decides an instance.

    Subclasses tell ``n_choices``, ``objectives`` and ``evaluate``, see
    :class:`~mcu_nas_moo.contracts.problem.DiscreteProblem`.
    """

    @property
    def fingerprint(self) -> str:
        """Class and fields; tests hold the values to what they were."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return f"{type(self).__name__} {values}"

    @property
    def n_choices(self) -> IntArray:
        """Options per gene."""
        raise NotImplementedError

    def evaluate(self, X: Any) -> Any:
        """Objectives, and constraints if there are any, of genotypes ``(N, n_genes)``."""
        raise NotImplementedError

    def reference_front(self) -> FloatArray | None:
        """Objectives of the true front; None if it is not known without evaluating all."""
        return None
