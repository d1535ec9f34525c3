"""The cost model: Flash, SRAM, latency and energy of int8 networks on a device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.costs.memory import working_set
from mcu_nas_moo.costs.runtime import load_runtime
from mcu_nas_moo.networks.table import Op

if TYPE_CHECKING:
    from mcu_nas_moo.costs.device import Device
    from mcu_nas_moo.costs.runtime import Runtime
    from mcu_nas_moo.networks.table import LayerTable, Topology
    from mcu_nas_moo.profiles import Profile
    from mcu_nas_moo.typing import FloatArray, IntArray

_BYTES_PER_KIB = 1024


class Costs(NamedTuple):
    """Costs of N networks, each float64 of shape ``(N,)``.

    Flash and SRAM hold everything that inference needs, the runtime included, and nothing of the
    application. SRAM includes the network's input and output.
    """

    flash_kib: FloatArray
    sram_kib: FloatArray
    latency_ms: FloatArray
    energy_mj: FloatArray


@lru_cache(maxsize=128)
def _kinds(topology: Topology) -> FloatArray:
    """Which slots are convolutions, depthwise and dense: ones and zeros of shape ``(L, 3)``."""
    kinds = (Op.CONV, Op.DEPTHWISE, Op.DENSE)
    return np.array([[slot.op is kind for kind in kinds] for slot in topology.slots], np.float64)


@dataclass(frozen=True)
class CostModel:
    """What networks cost on a device under a runtime.

    Args:
        device: the board that runs the network.
        runtime: the software that runs it.
    """

    device: Device
    runtime: Runtime

    @classmethod
    def of(cls, profile: Profile) -> CostModel:
        """The cost model of a profile's device and runtime."""
        return cls(profile.device, load_runtime(profile.runtime))

    def evaluate(self, table: LayerTable) -> Costs:
        """Costs of the networks of ``table``.

        Fastest for tables of a few thousand networks, whose arrays fit into the processor's cache.
        """
        n_layers = table.active.sum(axis=1)
        n_channels = table.biases.sum(axis=1)
        latency_ms = self._latency_ms(table)
        return Costs(
            flash_kib=self._flash_kib(table, n_layers, n_channels),
            sram_kib=self._sram_kib(table, n_layers, n_channels),
            latency_ms=latency_ms,
            energy_mj=latency_ms * (self.device.active_power_mw.value / 1000),
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides the costs: equal hash, equal costs. Prose does not count."""
        prose = {"source", "fits"}
        facts = {
            "memory": self.runtime.memory.model_dump(mode="json", exclude=prose),
            "flash": self.runtime.flash.model_dump(mode="json", exclude=prose),
            "latency": self.runtime.latency.model_dump(mode="json", exclude=prose),
            "clock_mhz": self.device.clock_mhz,
            "cycles_factor": self.device.cycles_factor.value,
            "active_power_mw": self.device.active_power_mw.value,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def peak_layer(self, table: LayerTable) -> list[str]:
        """Name of the layer of each network that sets its SRAM peak, the first of equals."""
        peaks = working_set(table, self.runtime.memory).argmax(axis=1)
        return [table.topology.slots[column].name for column in peaks]

    def _flash_kib(self, table: LayerTable, n_layers: IntArray, n_channels: IntArray) -> FloatArray:
        rule = self.runtime.flash
        parameters: FloatArray = (
            table.weights.sum(axis=1) * rule.bytes_per_weight + n_channels * rule.bytes_per_bias
        )
        kib: FloatArray = (
            parameters / _BYTES_PER_KIB
            + n_channels * rule.kib_per_channel
            + n_layers * rule.kib_per_layer
            + rule.fixed_kib
        )
        return kib

    def _sram_kib(self, table: LayerTable, n_layers: IntArray, n_channels: IntArray) -> FloatArray:
        rule = self.runtime.memory
        kib: FloatArray = (
            working_set(table, rule).max(axis=1) * (rule.scale / _BYTES_PER_KIB)
            + n_channels * rule.kib_per_channel
            + n_layers * rule.kib_per_layer
            + rule.fixed_kib
        )
        return kib

    def _latency_ms(self, table: LayerTable) -> FloatArray:
        rule = self.runtime.latency
        # Sums of integers are exact in any order, so costs do not depend on the batch.
        conv, depthwise, dense = (table.macs @ _kinds(table.topology)).T
        cycles: FloatArray = (
            conv * rule.cycles_per_mac.conv
            + depthwise * rule.cycles_per_mac.depthwise
            + dense * rule.cycles_per_mac.dense
            + table.out_elements.sum(axis=1) * rule.cycles_per_output_element
        )
        # Cycles divided by kilohertz are milliseconds.
        return cycles * (self.device.cycles_factor.value / (self.device.clock_mhz * 1000))
