"""Parts of networks: every setting is there once, and decides the layers of its part."""

from itertools import product

import numpy as np
import pytest

from mcu_nas_moo.spaces.parts import Parts


@pytest.fixture
def chain():
    """Five genes; the first is in every part, neighbours of the others meet."""
    return Parts(np.array([3, 2, 4, 1, 5]), (0, 2, 7), ((0, 1, 2), (2, 0, 3), (4, 3, 0)))


def test_settings_are_numbered_part_after_part(chain):
    X = np.array(list(product(range(3), range(2), range(4), range(1), range(5))))
    settings = chain.settings(X)
    assert chain.n_settings == 3 * 2 * 4 + 4 * 3 + 5 * 3
    assert sorted(set(settings.ravel())) == list(range(chain.n_settings))
    for part, columns in enumerate(((0, 1, 2), (2, 0, 3), (4, 3, 0))):
        kinds = np.unique(np.column_stack([settings[part], X[:, columns]]), axis=0)
        assert len(kinds) == len(np.unique(settings[part])) == len(np.unique(X[:, columns], axis=0))


def test_a_few_genotypes_hold_every_setting(chain, space):
    for parts, n_choices in ((chain, [3, 2, 4, 1, 5]), (space.parts, space.n_choices)):
        X = parts.covering
        assert len(X) == parts.n_covering < 2000
        assert ((X >= 0) & (n_choices > X)).all()
        assert len(np.unique(parts.settings(X))) == parts.n_settings


def test_settings_decide_the_layers_of_their_part(space, rng):
    """Networks of equal settings of a part, the other genes drawn anew, agree in its layers."""
    X = space.sample(400, rng)
    table, parts = space.network(X), space.parts
    ends = [*parts.first_layers[1:], len(space.topology.slots)]
    for settings, first, end in zip(parts.settings(X), parts.first_layers, ends, strict=True):
        _, rows, inverse = np.unique(settings, return_index=True, return_inverse=True)
        assert len(rows) < len(X)
        for array in (table.active, table.macs, table.weights, table.in_elements, table.biases):
            part = array[:, first:end]
            np.testing.assert_array_equal(part, part[rows][inverse])
