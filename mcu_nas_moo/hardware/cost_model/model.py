"""The cost model: Flash, SRAM, latency and energy of int8 networks on a device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mcu_nas_moo.hardware.cost_model.tensor_memory import working_set
from mcu_nas_moo.hardware.cost_model.work import Totals, counts_of, work_by_layer
from mcu_nas_moo.hardware.runtime import load_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcu_nas_moo.common.arrays import FloatArray, IntArray
    from mcu_nas_moo.hardware.device import Device
    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.hardware.runtime import Runtime
    from mcu_nas_moo.networks.layer_table import LayerTable

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


class LayerCosts(NamedTuple):
    """Costs of each layer of N networks, float64 of shape ``(N, L)``; 0 for layers left out.

    Attributes:
        flash_kib: weights, biases, and what the runtime stores for the layer; not its kernels.
        sram_kib: all memory in use while the layer runs, the runtime's included; the network's
            SRAM is the largest of these.
        latency_ms: adds up to the latency of the network.
    """

    flash_kib: FloatArray
    sram_kib: FloatArray
    latency_ms: FloatArray


@dataclass(frozen=True)
class CostModel:
    """What networks cost on a device under a runtime, the software that runs them there."""

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
        return self.costs_of(self.totals(table).at((..., 0)))

    def totals(self, table: LayerTable, parts: Sequence[int] = (0,)) -> Totals:
        """What the costs of ``table``'s networks come from, by :meth:`Totals.of`, ``(N, P)``."""
        return Totals.of(table, tuple(self._cycles_per_unit), self.runtime.memory, parts)

    def costs_of(self, totals: Totals) -> Costs:
        """Costs of networks with these totals; of the shape that the totals have."""
        # One product after the other: a matrix product would round otherwise for other batches.
        cycles = np.zeros(totals.layers.shape)
        for work, per_unit in zip(totals.work, self._cycles_per_unit.values(), strict=True):
            cycles += work * per_unit
        latency_ms = cycles * self._ms_per_cycle
        flash = self.runtime.flash
        parameters = (
            totals.weights * flash.bytes_per_weight + totals.channels * flash.bytes_per_bias
        )
        return Costs(
            flash_kib=parameters / _BYTES_PER_KIB
            + totals.channels * flash.kib_per_channel
            + totals.layers * flash.kib_per_layer
            + np.bitwise_count(totals.kinds) * flash.kib_per_kind
            + flash.fixed_kib,
            sram_kib=totals.peak * (self.runtime.memory.scale / _BYTES_PER_KIB)
            + self._sram_beside_peak_kib(totals.layers, totals.weighted, totals.channels),
            latency_ms=latency_ms,
            energy_mj=latency_ms * (self.device.active_power_mw.value / 1000),
        )

    def layer_costs(self, table: LayerTable) -> LayerCosts:
        """Costs of each layer of the networks of ``table``."""
        memory, flash = self.runtime.memory, self.runtime.flash
        beside_peak = self._sram_beside_peak_kib(*counts_of(table).T)[:, None]
        cycles = np.zeros(table.active.shape)
        for unit, per_unit in self._cycles_per_unit.items():
            cycles += work_by_layer(table, unit) * per_unit
        return LayerCosts(
            flash_kib=table.active
            * (
                table.weights * (flash.bytes_per_weight / _BYTES_PER_KIB)
                + table.biases * (flash.bytes_per_bias / _BYTES_PER_KIB + flash.kib_per_channel)
                + flash.kib_per_layer
            ),
            sram_kib=table.active
            * (working_set(table, memory) * (memory.scale / _BYTES_PER_KIB) + beside_peak),
            latency_ms=cycles * self._ms_per_cycle,
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

    @property
    def _ms_per_cycle(self) -> float:
        """Milliseconds of the device for one cycle of the reference core."""
        # Cycles divided by kilohertz are milliseconds.
        fixed_clock_mhz = self.runtime.latency.fixed_clock_mhz
        if fixed_clock_mhz is not None:
            return 1 / (fixed_clock_mhz * 1000)
        return self.device.cycles_factor.value / (self.device.clock_mhz * 1000)

    @cached_property
    def _cycles_per_unit(self) -> dict[str, float]:
        """Units of work that cost something under the runtime."""
        every: dict[str, float] = self.runtime.latency.cycles.model_dump()
        return {unit: cycles for unit, cycles in every.items() if cycles}

    def _sram_beside_peak_kib(
        self, layers: IntArray, weighted: IntArray, channels: IntArray
    ) -> FloatArray:
        rule = self.runtime.memory
        kib: FloatArray = (
            channels * rule.kib_per_channel
            + weighted * rule.kib_per_weighted_layer
            + (layers - weighted) * rule.kib_per_other_layer
            + rule.fixed_kib
        )
        return kib
