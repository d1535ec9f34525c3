import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mcu_nas_moo.optimisers.ppo.discretise import Grid, options_of


def values_of(distribution, bins=64):
    options = options_of(distribution, bins)
    rng = np.random.default_rng(0)
    return [options.value(index, rng) for index in range(options.count)]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (CategoricalDistribution(("a", None, 3.5)), ["a", None, 3.5]),
        (IntDistribution(-2, 2), [-2, -1, 0, 1, 2]),
        (IntDistribution(8, 31, step=8), [8, 16, 24]),
        (IntDistribution(1, 5, log=True), [1, 2, 3, 4, 5]),
        (FloatDistribution(0.1, 0.5, step=0.1), [0.1, 0.2, 0.3, 0.4, 0.5]),
        (FloatDistribution(2.0, 2.0), [2.0]),
    ],
)
def test_small_ranges_keep_each_value(distribution, expected):
    options = options_of(distribution, 64)
    values = values_of(distribution)
    assert len(values) == len(expected)
    for value, wanted in zip(values, expected, strict=True):
        assert value == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)
        assert type(value) is type(wanted)
    assert options.exact
    assert [options.index(value) for value in values] == list(range(len(expected)))


@st.composite
def distributions(draw):
    kind = draw(st.sampled_from(["category", "int", "int log", "float", "float step", "float log"]))
    if kind == "category":
        return CategoricalDistribution(tuple(range(draw(st.integers(1, 9)))))
    if kind == "int":
        low = draw(st.integers(-(10**6), 10**6))
        step = draw(st.integers(1, 7))
        return IntDistribution(low, low + step * draw(st.integers(0, 10**5)), step=step)
    if kind == "int log":
        low = draw(st.integers(1, 1000))
        return IntDistribution(low, low + draw(st.integers(0, 10**6)), log=True)
    low = draw(st.floats(1e-3, 10.0))
    if kind == "float step":
        low = draw(st.integers(-9, 9)) / 4  # without rounding errors, which Optuna warns of
        return FloatDistribution(low, low + 0.25 * draw(st.integers(0, 1000)), step=0.25)
    return FloatDistribution(low, low + draw(st.floats(0, 1e3)), log=kind == "float log")


@given(distribution=distributions(), bins=st.integers(2, 40), seed=st.integers(0, 9))
def test_values_lie_in_the_range_and_in_their_option(distribution, bins, seed):
    options, rng = options_of(distribution, bins), np.random.default_rng(seed)
    if not isinstance(distribution, CategoricalDistribution):
        assert 1 <= options.count <= bins
    kinds = {IntDistribution: int, FloatDistribution: float, CategoricalDistribution: int}
    for index in range(options.count):
        value = options.value(index, rng)
        assert type(value) is kinds[type(distribution)]
        assert distribution._contains(distribution.to_internal_repr(value))
        found = options.index(value)
        # At the border of a continuous range, rounding may put a value next door.
        assert found == index or (not options.exact and abs(found - index) == 1)


@given(distribution=distributions(), bins=st.integers(2, 40), data=st.data())
def test_the_ends_of_a_range_are_in_the_outer_options(distribution, bins, data):
    options = options_of(distribution, bins)
    if not isinstance(distribution, CategoricalDistribution):
        assert options.index(distribution.low) == 0
        assert options.index(distribution.high) == options.count - 1


@pytest.mark.parametrize("log", [False, True])
def test_bins_of_integers_hold_every_value_once_and_in_order(log):
    distribution = IntDistribution(3, 1000, log=log)
    options = options_of(distribution, 10)
    indices = [options.index(value) for value in range(3, 1001)]
    assert sorted(set(indices)) == list(range(options.count))
    assert indices == sorted(indices)
    widths = np.bincount(indices)
    # 998 values: alike to one value in width, or growing by the tenth root of the ratio.
    assert widths.max() - widths.min() <= 1 if not log else (np.diff(widths) > 0).all()
    assert not options.exact


def test_bins_of_a_continuous_range_have_equal_width_or_ratio():
    linear = options_of(FloatDistribution(0.0, 8.0), 4)
    assert [linear.index(v) for v in (0.0, 1.9, 2.1, 3.9, 4.1, 5.9, 6.1, 8.0)] == [
        *(0, 0, 1, 1, 2, 2, 3, 3)
    ]
    logarithmic = options_of(FloatDistribution(1e-4, 1.0, log=True), 4)
    assert [logarithmic.index(v) for v in (2e-4, 9e-4, 2e-3, 2e-2, 0.2)] == [0, 0, 1, 2, 3]


def test_values_fill_their_bin():
    options, rng = options_of(FloatDistribution(0.0, 8.0), 4), np.random.default_rng(0)
    drawn = np.array([options.value(1, rng) for _ in range(500)])
    assert drawn.min() == pytest.approx(2.0, abs=0.05)
    assert drawn.max() == pytest.approx(4.0, abs=0.05)
    assert drawn.mean() == pytest.approx(3.0, abs=0.1)
    options = options_of(IntDistribution(0, 99), 10)
    assert {options.value(2, rng) for _ in range(300)} == set(range(20, 30))


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (CategoricalDistribution(("a", "b")), "c"),
        (IntDistribution(0, 10, step=5), 3),
        (IntDistribution(0, 10), 11),
        (FloatDistribution(0.0, 1.0), -0.1),
        (FloatDistribution(0.0, 1.0, step=0.5), 0.3),
    ],
)
def test_values_outside_the_range_are_refused(distribution, value):
    with pytest.raises(ValueError):
        options_of(distribution, 64).index(value)


SPACE = {"b": IntDistribution(0, 3), "a": CategoricalDistribution(("x", "y"))}


def test_a_grid_translates_points_both_ways(rng):
    grid = Grid(SPACE, 64)
    assert list(grid.space) == ["a", "b"]
    assert grid.n_choices.tolist() == [2, 4]
    assert (grid.size, grid.exact) == (8, True)
    assert grid.decode(np.array([1, 2]), rng) == {"a": "y", "b": 2}
    assert grid.encode({"a": "y", "b": 2, "other": 1}).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("distribution", "ordered"),
    [
        (IntDistribution(0, 3), True),
        (FloatDistribution(0.0, 1.0), True),
        (CategoricalDistribution((16, 24, 40)), True),
        (CategoricalDistribution((16, 40, 24)), False),
        (CategoricalDistribution((False, True)), False),
        (CategoricalDistribution((1, "a")), False),
    ],
)
def test_numbers_are_in_order(distribution, ordered):
    assert Grid({"x": distribution}, 8).ordered == [ordered]


def test_a_grid_refuses_what_is_not_of_its_space():
    grid = Grid(SPACE, 64)
    assert grid.encode({"a": "y"}) is None
    assert grid.encode({"a": "y", "b": 7}) is None
    default = np.array([0, 1])
    assert grid.encode({"a": "y"}, default).tolist() == [1, 1]
    assert grid.encode({"c": "y"}, default) is None
    assert grid.encode({}, default) is None


def test_a_grid_with_ranges_is_not_exact():
    grid = Grid(SPACE | {"c": FloatDistribution(0.0, 1.0)}, 16)
    assert grid.n_choices.tolist() == [2, 4, 16]
    assert not grid.exact
