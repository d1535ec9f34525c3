"""The cost model against a plain calculation, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest
from plain_memory import simulate

from mcu_nas_moo.costs import CostModel, list_devices, list_runtimes, load_device, load_runtime
from mcu_nas_moo.networks.table import Op
from mcu_nas_moo.profiles import list_profiles, load_profile
from mcu_nas_moo.spaces import load_space


def sample(space_name, n, seed=0):
    space = load_space(space_name)
    return space, space.sample(n, np.random.default_rng(seed))


def plain_costs(model, layers):
    """Flash, latency and energy of one network, by the formulas of the documentation."""
    weights = channels = cycles = 0
    runtime, device = model.runtime, model.device
    per_mac = runtime.latency.cycles_per_mac
    for layer in layers:
        height, width = layer.out_size
        kernel = layer.kernel[0] ** 2 * layer.out_channels
        if layer.op is Op.DEPTHWISE:
            parameters, cycles_per_mac = kernel, per_mac.depthwise
        elif layer.op is Op.CONV:
            parameters, cycles_per_mac = kernel * layer.in_channels, per_mac.conv
        elif layer.op is Op.DENSE:
            parameters, cycles_per_mac = layer.in_channels * layer.out_channels, per_mac.dense
        else:
            parameters, cycles_per_mac = 0, 0
        weights += parameters
        channels += layer.out_channels if parameters else 0
        cycles += parameters * height * width * cycles_per_mac
        cycles += layer.out_channels * height * width * runtime.latency.cycles_per_output_element
    flash = runtime.flash
    flash_kib = (
        (weights * flash.bytes_per_weight + channels * flash.bytes_per_bias) / 1024
        + channels * flash.kib_per_channel
        + len(layers) * flash.kib_per_layer
        + flash.fixed_kib
    )
    seconds = cycles * device.cycles_factor.value / (device.clock_mhz * 1e6)
    added_kib = (
        channels * runtime.memory.kib_per_channel
        + len(layers) * runtime.memory.kib_per_layer
        + runtime.memory.fixed_kib
    )
    return flash_kib, 1e3 * seconds, device.active_power_mw.value * seconds, added_kib


@pytest.mark.parametrize("space_name", ["mbconv-stage", "mbconv-block"])
@pytest.mark.parametrize("profile_name", list_profiles())
def test_batch_equals_plain_calculation(space_name, profile_name):
    space, X = sample(space_name, 100)
    model = CostModel.of(load_profile(profile_name))
    networks = space.network(X)
    costs = model.evaluate(networks)
    for row in range(len(X)):
        flash_kib, latency_ms, energy_mj, added_kib = plain_costs(model, networks.layers(row))
        assert costs.flash_kib[row] == pytest.approx(flash_kib, rel=1e-12)
        assert costs.latency_ms[row] == pytest.approx(latency_ms, rel=1e-12)
        assert costs.energy_mj[row] == pytest.approx(energy_mj, rel=1e-12)
        assert costs.sram_kib[row] > added_kib
    for values in costs:
        assert values.dtype == np.float64
        assert values.shape == (100,)


@pytest.mark.parametrize("runtime", list_runtimes())
def test_costs_do_not_depend_on_the_batch(runtime):
    space, X = sample("mbconv-block", 64)
    model = CostModel(load_device("nucleo-l4r5zi"), load_runtime(runtime))
    batch = np.array(model.evaluate(space.network(X)))
    alone = np.concatenate([model.evaluate(space.network(X[[i]])) for i in range(64)], axis=1)
    np.testing.assert_array_equal(batch, alone)


@pytest.mark.parametrize("runtime", list_runtimes())
def test_sram_adds_the_runtime_to_the_scaled_peak(runtime):
    space, X = sample("mbconv-stage", 50)
    model = CostModel(load_device("nucleo-h7a3zi-q"), load_runtime(runtime))
    networks = space.network(X)
    rule = model.runtime.memory
    costs = model.evaluate(networks)
    for row in range(len(X)):
        layers = networks.layers(row)
        *_, added_kib = plain_costs(model, layers)
        peak = max(simulate(layers, rule))
        assert costs.sram_kib[row] == pytest.approx(peak * rule.scale / 1024 + added_kib)


@pytest.mark.parametrize("profile_name", list_profiles())
def test_no_cost_falls_when_a_network_grows(profile_name):
    space, X = sample("mbconv-stage", 200)
    model = CostModel.of(load_profile(profile_name))
    names = [gene.name for gene in space.genes]
    for name in ("resolution", "head", "stage3_width", "stage4_depth"):
        smaller, larger = X.copy(), X.copy()
        smaller[:, names.index(name)] = 0
        larger[:, names.index(name)] = space.n_choices[names.index(name)] - 1
        before = model.evaluate(space.network(smaller))
        after = model.evaluate(space.network(larger))
        for field in before._fields:
            assert (getattr(after, field) >= getattr(before, field)).all(), (name, field)
        assert (after.latency_ms > before.latency_ms).all()


def test_peak_layer_is_where_the_wide_tensors_are():
    space, X = sample("mbconv-stage", 5)
    model = CostModel(load_device("nucleo-l4r5zi"), load_runtime("tinyengine"))
    networks = space.network(X)
    for row, name in enumerate(model.peak_layer(networks)):
        layers = {layer.name: layer for layer in networks.layers(row)}
        # Nothing in place in these layers, so the larger they are, the more they need.
        assert layers[name].op in (Op.CONV, Op.DEPTHWISE)
        assert layers[name].out_size[0] >= networks.in_height[row, 0] // 2


def test_energy_is_power_times_latency():
    space, X = sample("mbconv-stage", 20)
    model = CostModel.of(load_profile("cortex-m4"))
    costs = model.evaluate(space.network(X))
    milliwatts = costs.energy_mj / costs.latency_ms * 1000
    np.testing.assert_allclose(milliwatts, 6919.375 / 164.9621, rtol=2e-3)


def test_fingerprint_follows_the_coefficients_alone():
    device, runtime = load_device("nucleo-l4r5zi"), load_runtime("tinyengine")
    model = CostModel(device, runtime)
    renamed = runtime.model_copy(update={"description": "other words"})
    assert CostModel(device, renamed).fingerprint == model.fingerprint
    slower = device.model_copy(update={"clock_mhz": 80.0})
    assert CostModel(slower, runtime).fingerprint != model.fingerprint
    assert CostModel(device, load_runtime("tflm-cmsis-nn")).fingerprint != model.fingerprint


@pytest.mark.parametrize("name", list_devices())
def test_shipped_devices_state_their_sources(name):
    device = load_device(name)
    for figure in (device.cycles_factor, device.active_power_mw):
        assert figure.basis in ("measured", "scaled", "estimated")
        assert len(figure.source) > 20


@pytest.mark.parametrize("name", list_runtimes())
def test_shipped_runtimes_state_their_fit(name):
    runtime = load_runtime(name)
    for rule in (runtime.memory, runtime.flash, runtime.latency):
        assert rule.fits
        assert all(fit.mape_percent <= fit.worst_percent for fit in rule.fits)


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(ValueError, match=r"unknown runtime 'tinyengin'.*'tinyengine'"):
        load_runtime("tinyengin")
    with pytest.raises(ValueError, match=r"unknown device 'stm32'.*nucleo-u575zi-q"):
        load_device("stm32")
