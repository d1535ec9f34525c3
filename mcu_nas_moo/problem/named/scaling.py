"""A toy of network scaling whose front is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.problem.named.published import Published

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class ToyScaling(Published):
    """Stages of a network that are made larger: each adds to the delay and takes from the error.

    Stage ``s`` of size ``z`` delays by ``delay[s] * z`` and leaves an error of
    ``loss[s] / z ** decline[s]``, with diminishing returns. Both objectives are sums over the
    stages, so that the front follows stage by stage. Of our own making, for trying things out.
    """

    objectives = ("toy_error", "toy_delay")
    SIZES = (1, 2, 3, 4, 6, 8)
    DELAY = (5, 3, 7, 2, 4, 6, 3, 8, 5, 2)
    LOSS = (0.09, 0.12, 0.05, 0.07, 0.11, 0.04, 0.08, 0.06, 0.10, 0.03)
    DECLINE = (0.5, 0.7, 0.4, 0.9, 0.6, 0.8, 0.3, 0.5, 0.7, 1.0)

    @property
    def genes(self) -> dict[str, tuple[int, ...]]:
        """Sizes of the stages."""
        return {f"stage{number}_size": self.SIZES for number in range(1, len(self.DELAY) + 1)}

    @property
    def n_choices(self) -> IntArray:
        """Sizes per stage."""
        return np.full(len(self.DELAY), len(self.SIZES))

    def _parts(self) -> FloatArray:
        """What each size of each stage adds to the objectives, ``(stages, sizes, 2)``."""
        sizes = np.array(self.SIZES)
        error = np.array(self.LOSS)[:, None] / sizes ** np.array(self.DECLINE)[:, None]
        return np.stack([error, np.array(self.DELAY)[:, None] * sizes], axis=2)

    def evaluate(self, X: Any) -> Any:
        return self._parts()[np.arange(len(self.DELAY)), X].sum(axis=1)

    def reference_front(self) -> FloatArray:
        """What no other dominates of the sums of the stages so far and the sizes of the next one.

        A part of a sum that another part dominates is on no front.
        """
        import moocore

        X = np.zeros((1, 0), dtype=np.int64)
        parts = self._parts()
        for stage in range(len(parts)):
            options = np.arange(len(self.SIZES))
            X = np.column_stack([np.repeat(X, len(options), axis=0), np.tile(options, len(X))])
            F = parts[np.arange(stage + 1), X].sum(axis=1)
            X = X[moocore.is_nondominated(F)]
        return np.asarray(self.evaluate(X))
