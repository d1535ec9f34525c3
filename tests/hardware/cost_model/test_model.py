"""The cost model against a plain calculation, layer by layer, and its properties."""

from __future__ import annotations

from functools import cache

import numpy as np
import plain_costs
import pytest
from growing_networks import grown, specs
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import networks

from mcu_nas_moo.hardware import list_devices, list_runtimes, load_device, load_runtime
from mcu_nas_moo.hardware.cost_model import CostModel
from mcu_nas_moo.hardware.profile import list_profiles, load_profile
from mcu_nas_moo.networks.layer import Layer, Op
from mcu_nas_moo.networks.layer_table import LayerTable

RUNTIMES = list_runtimes()


@cache
def model_of(runtime, device="nucleo-l4r5zi"):
    return CostModel(load_device(device), load_runtime(runtime))


models = st.sampled_from(RUNTIMES).map(model_of)


def fallen(before, after):
    """Costs of which ``after`` has less than ``before``, beyond rounding."""
    return [
        field
        for field in before._fields
        if (getattr(after, field) < getattr(before, field) * (1 - 1e-12)).any()
    ]


def single(before, after, kernel, stride=1):
    """A table of one convolution; ``before`` and ``after`` are (size, channels)."""
    sizes = (kernel,) * 2, (stride,) * 2, before[:1] * 2, after[:1] * 2
    return LayerTable.of([Layer("only", Op.CONV, (0,), 1, False, before[1], after[1], *sizes)])


@pytest.mark.parametrize("profile_name", list_profiles())
def test_subnets_cost_what_a_plain_calculation_says(space, profile_name, rng):
    subnets = space.network(space.sample(60, rng))
    model = CostModel.of(load_profile(profile_name))
    costs = model.evaluate(subnets)
    for row in range(len(subnets)):
        expected = plain_costs.costs(model, subnets.layers(row))
        assert [values[row] for values in costs] == pytest.approx(expected, rel=1e-12)
    for values in costs:
        assert values.dtype == np.float64
        assert values.shape == (60,)


@given(networks(), models)
def test_layers_add_up_to_the_network(network, model):
    layers, outputs = network
    table = LayerTable.of(layers, outputs)
    costs, by_layer = model.evaluate(table), model.layer_costs(table)
    flash, kinds = model.runtime.flash, plain_costs.kinds(layers)
    assert by_layer.latency_ms.sum() == pytest.approx(costs.latency_ms[0], rel=1e-12)
    assert by_layer.sram_kib.max() == pytest.approx(costs.sram_kib[0], rel=1e-12)
    beside_layers = flash.fixed_kib + kinds * flash.kib_per_kind
    assert by_layer.flash_kib.sum() + beside_layers == pytest.approx(costs.flash_kib[0], rel=1e-12)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_layer_costs_of_a_batch(space, runtime, rng):
    subnets = space.network(space.sample(50, rng))
    model = model_of(runtime)
    costs, by_layer = model.evaluate(subnets), model.layer_costs(subnets)
    for values in by_layer:
        assert values.shape == subnets.active.shape
        assert values.dtype == np.float64
        assert not values[~subnets.active].any()
    np.testing.assert_allclose(by_layer.latency_ms.sum(axis=1), costs.latency_ms, rtol=1e-12)
    np.testing.assert_allclose(by_layer.sram_kib.max(axis=1), costs.sram_kib, rtol=1e-12)


@given(networks(), models)
def test_any_network_costs_what_a_plain_calculation_says(network, model):
    """SRAM aside, whose rule has tests of its own."""
    layers, outputs = network
    costs = model.evaluate(LayerTable.of(layers, outputs))
    flash_kib, _, latency_ms, energy_mj = plain_costs.costs(model, layers, outputs)
    assert costs.flash_kib[0] == pytest.approx(flash_kib, rel=1e-12)
    assert costs.latency_ms[0] == pytest.approx(latency_ms, rel=1e-12)
    assert costs.energy_mj[0] == pytest.approx(energy_mj, rel=1e-12)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_costs_do_not_depend_on_the_batch(space, runtime, rng):
    X = space.sample(64, rng)
    model = model_of(runtime)
    batch = np.array(model.evaluate(space.network(X)))
    alone = np.concatenate([model.evaluate(space.network(X[[i]])) for i in range(64)], axis=1)
    np.testing.assert_array_equal(batch, alone)
    large = np.array(model.evaluate(space.network(np.tile(X, (30, 1)))))
    np.testing.assert_array_equal(np.tile(batch, 30), large)


@settings(max_examples=300)
@given(st.data(), specs, models)
def test_no_cost_falls_when_a_network_grows(data, spec, model):
    larger = data.draw(grown(spec))
    before, after = model.evaluate(spec.table()), model.evaluate(larger.table())
    assert fallen(before, after) == []


@given(specs, models)
def test_no_network_is_cheaper_than_without_its_last_block(spec, model):
    shorter = model.evaluate(spec.table(last_block=False))
    assert fallen(shorter, model.evaluate(spec.table())) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_cost_falls_along_neighbouring_genotypes(space, runtime, rng):
    X = space.sample(300, rng)
    model = model_of(runtime)
    before = model.evaluate(space.network(X))
    for column, gene in enumerate(space.genes):
        # Where the expansion follows from the depth, both grow.
        larger = X.copy()
        larger[:, column] = np.minimum(X[:, column] + 1, space.n_choices[column] - 1)
        assert fallen(before, model.evaluate(space.network(larger))) == [], gene.name


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_resolution_and_widths_cost_time(space, runtime, rng):
    X = space.sample(100, rng)
    for name in ("resolution", "stem", "head", "stage3_width", "stage4_depth"):
        column = [gene.name for gene in space.genes].index(name)
        smaller, larger = X.copy(), X.copy()
        smaller[:, column], larger[:, column] = 0, space.n_choices[column] - 1
        before, after = (model_of(runtime).evaluate(space.network(x)) for x in (smaller, larger))
        assert (after.latency_ms > before.latency_ms).all()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("channels", [4, 8])
def test_no_cost_falls_with_one_input_channel_more(runtime, channels):
    model = model_of(runtime)
    before = model.evaluate(single((32, channels), (32, 16), 3))
    after = model.evaluate(single((32, channels + 1), (32, 16), 3))
    assert fallen(before, after) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("small", "large"), [(1, 2), (2, 3), (3, 5)])
def test_no_cost_falls_with_a_larger_kernel(runtime, small, large):
    model = model_of(runtime)
    before = model.evaluate(single((32, 9), (16, 16), small, 2))
    after = model.evaluate(single((32, 9), (16, 16), large, 2))
    assert fallen(before, after) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_larger_kernel_may_need_one_kind_of_kernel_less(runtime):
    """The only way in which Flash falls: a network without pointwise convolutions links less."""

    def two(kernel):
        first = Layer("1", Op.CONV, (0,), 1, False, 9, 9, (3, 3), (1, 1), (8, 8), (8, 8))
        second = Layer("2", Op.CONV, (1,), 2, False, 9, 9, (kernel,) * 2, (1, 1), (8, 8), (8, 8))
        return LayerTable.of([first, second])

    model = model_of(runtime)
    before, after = model.evaluate(two(1)), model.evaluate(two(3))
    # Eight weights more in each of 9 * 9 filters.
    more_kib = 8 * 81 / 1024 - model.runtime.flash.kib_per_kind
    assert after.flash_kib - before.flash_kib == pytest.approx([more_kib])
    assert set(fallen(before, after)) <= {"flash_kib"}


def test_peak_layer_is_where_the_wide_tensors_are(space, rng):
    model = model_of("tinyengine")
    subnets = space.network(space.sample(5, rng))
    for row, slot in enumerate(model.layer_costs(subnets).sram_kib.argmax(axis=1)):
        # Nothing in place in these layers, so the larger they are, the more they need.
        assert subnets.topology.slots[slot].op in (Op.CONV, Op.DEPTHWISE)
        assert subnets.out_height[row, slot] >= subnets.in_height[row, 0] // 2


def test_energy_is_power_times_latency(space, rng):
    model = CostModel.of(load_profile("cortex-m4"))
    costs = model.evaluate(space.network(space.sample(20, rng)))
    milliwatts = costs.energy_mj / costs.latency_ms * 1000
    np.testing.assert_allclose(milliwatts, model.device.active_power_mw.value)


def changed(runtime, part, field):
    """The runtime with one field of one rule made larger, longer or the opposite."""
    rule = getattr(runtime, part)
    if field in type(runtime.latency.cycles).model_fields:
        cycles = rule.cycles.model_copy(update={field: getattr(rule.cycles, field) + 1})
        return runtime.model_copy(update={part: rule.model_copy(update={"cycles": cycles})})
    value = getattr(rule, field)
    new = {
        "in_place": (Op.RESIZE,),
        "padded_copy": "apart" if value == "none" else "none",
        "im2col": not value,
        "fused_pooling": not value,
        "source": "other words",
        "fits": (),
    }
    value = new[field] if field in new else value + 1
    return runtime.model_copy(update={part: rule.model_copy(update={field: value})})


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_fingerprint_follows_every_coefficient_and_no_prose(runtime):
    model = model_of(runtime)
    device, own = model.device, model.runtime
    seen = {model.fingerprint}
    for part in ("memory", "flash", "latency"):
        fields = set(type(getattr(own, part)).model_fields) - {"source", "fits"}
        fields -= {"reference_core", "cycles", "fixed_clock_mhz"}
        if part == "latency":
            fields |= set(type(own.latency.cycles).model_fields)
        for field in fields:
            seen.add(CostModel(device, changed(own, part, field)).fingerprint)
            seen.add(CostModel(device, changed(own, part, field)).fingerprint)
        for prose in ("source", "fits"):
            reworded = CostModel(device, changed(own, part, prose))
            assert reworded.fingerprint == model.fingerprint
        seen.add(f"{part} has {len(fields)} fields")
    described = own.model_copy(update={"description": "other words", "measurements": "others"})
    assert CostModel(device, described).fingerprint == model.fingerprint
    # 10 fields of memory, 6 of Flash, 8 units of cycles; the model itself; three sentences.
    assert len(seen) == 10 + 6 + 8 + 1 + 3


def test_fingerprint_follows_the_device():
    device, runtime = load_device("nucleo-l4r5zi"), load_runtime("tinyengine")
    model = CostModel(device, runtime)
    power = device.active_power_mw.model_copy(update={"value": 1.0})
    factor = device.cycles_factor.model_copy(update={"value": 1.0})
    for update in ({"clock_mhz": 80.0}, {"active_power_mw": power}, {"cycles_factor": factor}):
        other = CostModel(device.model_copy(update=update), runtime)
        assert other.fingerprint != model.fingerprint
    assert len({model_of(name).fingerprint for name in RUNTIMES}) == len(RUNTIMES)


@pytest.mark.parametrize("name", list_devices())
def test_shipped_devices_state_their_sources(name):
    device = load_device(name)
    for figure in (device.cycles_factor, device.active_power_mw):
        assert figure.basis in ("measured", "scaled", "estimated")
        assert len(figure.source) > 20


@pytest.mark.parametrize("name", RUNTIMES)
def test_shipped_runtimes_state_their_fit(name):
    runtime = load_runtime(name)
    for rule in (runtime.memory, runtime.flash, runtime.latency):
        assert rule.source
        assert rule.fits
        assert all(fit.mape_percent <= fit.worst_percent for fit in rule.fits)


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(ValueError, match=r"unknown runtime 'tinyengin'.*'tinyengine'"):
        load_runtime("tinyengin")
    with pytest.raises(ValueError, match=r"unknown device 'stm32'.*nucleo-u575zi-q"):
        load_device("stm32")


KERNELS = [(1, 1), (1, 3), (3, 3), (3, 5), (5, 5), (5, 7), (7, 7)]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("channels", [3, 16, 64, 200])
def test_sram_and_latency_grow_with_kernels_of_any_form(runtime, channels):
    model = model_of(runtime)
    tables = [LayerTable.of([one_conv(channels, 48, kernel, groups=1)]) for kernel in KERNELS]
    for name in ("sram_kib", "latency_ms"):
        costs = [getattr(model.evaluate(table), name)[0] for table in tables]
        assert costs == sorted(costs)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_more_channels_in_each_group_cost_more(runtime):
    model = model_of(runtime)
    tables = [LayerTable.of([one_conv(64, 64, (3, 3), groups)]) for groups in (64, 32, 16, 4, 2)]
    latency = [model.evaluate(table).latency_ms[0] for table in tables]
    assert latency == sorted(latency)
    depthwise = one_conv(64, 64, (3, 3), 64)._replace(op=Op.DEPTHWISE)
    alone = model.evaluate(LayerTable.of([depthwise])).latency_ms[0]
    assert latency[0] == pytest.approx(alone)


def one_conv(in_channels, out_channels, kernel, groups):
    return Layer(
        "conv",
        Op.CONV,
        (0,),
        1,
        False,
        in_channels,
        out_channels,
        kernel,
        (1, 1),
        (16, 16),
        (16, 16),
        groups,
    )
