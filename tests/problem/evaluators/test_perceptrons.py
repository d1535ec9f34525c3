"""The ensemble against torch layers, files, and what can be learned."""

import numpy as np
import pytest
import torch

from mcu_nas_moo.common.errors import DamagedFileError
from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.problem.evaluators.perceptrons import (
    MLPEnsemble,
    MLPSettings,
    fit_mlp,
    predictions_of_unseen,
)

SETTINGS = MLPSettings(
    members=2,
    hidden=16,
    steps=800,
    batch=32,
    learning_rate=5e-3,
    weight_decay=0.01,
    bootstrap=False,
)


@pytest.fixture(scope="module")
def data():
    """Two targets of very different size that depend on three of four features."""
    rng = np.random.default_rng(0)
    inputs = rng.random((300, 4), dtype=np.float32)
    inputs[:, 3] = 1.0  # a feature that never differs
    first = inputs[:, 0] + 2 * inputs[:, 1].astype(float)
    return inputs, np.stack([first, 1000 * inputs[:, 2] ** 2 + 7], axis=1)


@pytest.fixture(scope="module")
def ensemble(data):
    return fit_mlp(*data, SETTINGS)


def test_outputs_equal_the_same_layers_in_torch(ensemble, data):
    inputs = data[0]
    found = ensemble.outputs(inputs)
    assert found.shape == (2, 300, 2)
    for member in range(2):
        hidden = slice(16 * member, 16 * (member + 1))
        x = torch.from_numpy((inputs - ensemble.mean) * ensemble.scale)
        for weight, bias in (
            (ensemble.first[0][:, hidden], ensemble.first[1][hidden]),
            (ensemble.second[0][member], ensemble.second[1][member, 0]),
        ):
            x = torch.relu(x @ torch.from_numpy(weight) + torch.from_numpy(bias))
        x = x @ torch.from_numpy(ensemble.last[0][member])
        x = x + torch.from_numpy(ensemble.last[1][member, 0])
        np.testing.assert_allclose(found[member], x, rtol=1e-4, atol=1e-4)


def test_every_output_is_learned_whatever_its_size(ensemble, data):
    inputs, targets = data
    errors = np.abs(ensemble.outputs(inputs).mean(axis=0) - targets).mean(axis=0)
    assert (errors < 0.06 * targets.std(axis=0)).all()


def test_same_seed_same_weights_and_torch_stays_as_it_was(ensemble, data):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    assert fit_mlp(*data, SETTINGS).fingerprint == ensemble.fingerprint
    assert fit_mlp(*data, SETTINGS, seed=1).fingerprint != ensemble.fingerprint
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_file_round_trip(ensemble, data, tmp_path):
    path = tmp_path / "e.safetensors"
    ensemble.save(path)
    again = MLPEnsemble.read(path)
    assert again.fingerprint == ensemble.fingerprint
    np.testing.assert_array_equal(again.outputs(data[0]), ensemble.outputs(data[0]))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFileError, match=r"[Ii]ncomplete|[Ii]nvalid"), parsing(path):
        MLPEnsemble.read(path)


def test_targets_that_teach_nothing_are_refused(data):
    targets = data[1].copy()
    targets[:, 1] = 3.0
    with pytest.raises(ValueError, match="without any difference"):
        fit_mlp(data[0], targets, SETTINGS)


def test_each_label_is_predicted_once_by_a_fit_to_all_others():
    rows = np.arange(23.0)
    unseen = []

    def predict(x, y, asked):
        assert np.array_equal(x, y)
        assert sorted([*x, *asked]) == list(rows)
        unseen.append(len(asked))
        return asked

    assert np.array_equal(predictions_of_unseen(rows, rows, predict), rows)
    assert sorted(unseen) == [4, 4, 5, 5, 5]
    with pytest.raises(ValueError, match="4 labels are too few"):
        predictions_of_unseen(rows[:4], rows[:4], predict)
