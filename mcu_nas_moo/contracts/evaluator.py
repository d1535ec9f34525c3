"""The contract of what tells figures of networks: a model, a table, a measurement, a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcu_nas_moo.common.arrays import Genotypes
    from mcu_nas_moo.contracts.metrics import Metric

#: What one network takes, about.
Cost: TypeAlias = Literal["microseconds", "seconds", "minutes"]
COSTS: tuple[Cost, ...] = ("microseconds", "seconds", "minutes")
#: Key of an answer for why networks could not be evaluated.
REASON = "reason"


@runtime_checkable
class NetworkEvaluator(Protocol):
    """Tells figures of the networks of a space.

    A class needs ``metrics`` and ``evaluate``. These attributes have a value if they are left out:

    - ``name``: how people are told of it; that of the class.
    - ``fingerprint``: hash of all that decides the figures, equal hash, equal figures; by default
      that of the source of its class and module, which does not know the files that it reads.
    - ``deterministic``: True; a network then has the same figures in any batch, which is checked
      now and then. With False, the first figures of a network are kept and count from then on.
    - ``cost``: ``"microseconds"``; of ``"seconds"`` and ``"minutes"`` the figures are kept on disk.
    - ``accuracy_of``: what an accuracy or error is measured on and how it is known, in words, such
      as ``pets, after 3 epochs``; shown wherever the figure is.
    - ``classes``: 0; of an accuracy, how many classes its data have. Networks are costed with as
      many; a space whose networks tell another number apart is refused, but for a shipped one that
      was left at its own number.
    - ``thread_safe``: False; with True, large batches are asked in parts by several threads.
    """

    @property
    def metrics(self) -> Sequence[Metric | str]:
        """What it tells: names of known metrics (``contracts.metrics``), or ones of its own."""

    def evaluate(self, space: Any, X: Genotypes) -> Mapping[str, Any]:
        """Figures of the genotypes ``X`` ``(N, n_genes)`` of a search space.

        Returns:
            by metric, ``(N,)`` numbers. NaN stands for a network that could not be evaluated; then
            the key ``reason`` holds N texts, which say why (empty for the others). Beside a metric,
            ``<metric>_std`` may hold the standard deviation of a measurement.
        """


@runtime_checkable
class OfDevice(Protocol):
    """An evaluator, or what will be one, whose figures are those of a device."""

    def for_profile(self, profile: Any) -> NetworkEvaluator:
        """The evaluator for the device of a profile; that of the task is given.

        Raises:
            InputError: if it cannot serve the device.
        """
