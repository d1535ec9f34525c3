"""The predictor against torch, and its files."""

import numpy as np
import pytest
import torch

from mcu_nas_moo.problem.evaluators.accuracy_fit import cross_validated, fit_predictor, quality
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.training.supernet import shipped_files as artifacts
from mcu_nas_moo.training.supernet.labels import Labels, sample_for_labels


@pytest.fixture(scope="module")
def fitted(tiny_space):
    """Accuracy that grows with the widths: easy to learn."""
    X = sample_for_labels(tiny_space, 60).X
    inputs = tiny_space.features(X)
    targets = 0.5 + 0.3 * (inputs / inputs.max(axis=0).clip(1)).mean(axis=1).astype(float)
    return fit_predictor(inputs, targets), X, inputs, targets


def test_predictor_equals_the_same_layers_in_torch(fitted):
    predictor, _, inputs, _ = fitted
    members, hidden = predictor.second[0].shape[:2]
    x = torch.from_numpy((inputs - predictor.mean) * predictor.scale)
    answers = []
    for member in range(members):
        columns = slice(member * hidden, (member + 1) * hidden)
        out = x
        for weight, bias in (
            (predictor.first[0][:, columns], predictor.first[1][columns]),
            (predictor.second[0][member], predictor.second[1][member, 0]),
        ):
            out = torch.relu(out @ torch.from_numpy(weight) + torch.from_numpy(bias))
        out = out @ torch.from_numpy(predictor.last[0][member]) + predictor.last[1][member, 0, 0]
        answers.append(out[:, 0].clamp(0, 1))
    stacked = torch.stack(answers).double()
    found = predictor.answer(inputs)
    np.testing.assert_allclose(found.accuracy, stacked.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.accuracy_std, stacked.std(0, unbiased=False), atol=1e-6)


def test_predictor_learns_what_can_be_learnt(fitted):
    _, _, inputs, targets = fitted
    figures = quality(cross_validated(inputs, targets), targets)
    assert figures["kendall_tau"] > 0.8
    assert figures["rmse"] < 0.3 * targets.std()


def test_cross_validation_does_not_see_the_label_it_predicts():
    """Targets without any relation to the inputs cannot be predicted."""
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(80, 3)).astype(np.float32), rng.random(80)
    predicted = cross_validated(inputs, targets)
    assert abs(np.corrcoef(predicted, targets)[0, 1]) < 0.35


def test_file_round_trip(fitted, tiny_space, tmp_path):
    predictor, X, _, _ = fitted
    predictor.save(tmp_path / "p.safetensors")
    again = AccuracyPredictor.load(tmp_path / "p.safetensors")
    assert again.fingerprint == predictor.fingerprint
    for mine, theirs in zip(
        predictor.predict(tiny_space, X), again.predict(tiny_space, X), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_features_ignore_inactive_genes(space, rng):
    X = space.sample(200, rng)
    np.testing.assert_array_equal(space.features(X), space.features(space.canonical(X)))


def test_same_seed_same_predictor(fitted):
    predictor, _, inputs, targets = fitted
    state = torch.get_rng_state()
    assert fit_predictor(inputs, targets).fingerprint == predictor.fingerprint
    assert torch.equal(torch.get_rng_state(), state)
    assert fit_predictor(inputs, targets, seed=1).fingerprint != predictor.fingerprint


def test_other_space_is_refused(fitted, space):
    with pytest.raises(ValueError, match=f"space '{space.name}' has"):
        fitted[0].predict(space, space.smallest)


def test_damaged_files_name_file_and_command(fitted, tmp_path):
    path = tmp_path / "p.safetensors"
    with pytest.raises(ValueError, match="is missing; remake it with"):
        AccuracyPredictor.load(path)
    fitted[0].save(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"p\.safetensors is damaged"):
        AccuracyPredictor.load(path)


def test_changed_shipped_file_is_noticed(monkeypatch, fitted, tmp_path):
    monkeypatch.setattr(artifacts, "FOLDER", tmp_path)
    monkeypatch.setattr(artifacts, "CHECKSUMS", tmp_path / "checksums.json")
    path = tmp_path / "predictor.safetensors"
    fitted[0].save(path)
    artifacts.register(path)
    assert AccuracyPredictor.load().fingerprint == fitted[0].fingerprint
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="its checksum is not the one"):
        AccuracyPredictor.load()


def test_label_samples_are_distinct_and_reach_the_ends(space):
    _, X, uniform = sample_for_labels(space, 401)
    assert len(np.unique(space.canonical(X), axis=0)) == 401
    assert uniform.tolist() == [True] * 201 + [False] * 200
    macs = space.network(X).macs.sum(axis=1)
    assert np.quantile(macs, 0.02) < np.quantile(macs[uniform], 0.02)
    assert np.quantile(macs, 0.98) > np.quantile(macs[uniform], 0.98)
    assert (sample_for_labels(space, 401).X == X).all()
    assert (sample_for_labels(space, 401, seed=1).X != X).any()


def test_bad_labels_are_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("space,genotype,sample,accuracy,supernet\nmbconv-stage,0-1,uniform,1.5,0a\n")
    problem = r"labels.csv is damaged \(line 2: accuracy 1.5 is not in \[0, 1\]"
    with pytest.raises(ValueError, match=problem):
        Labels.load(path)
    path.write_text("space,accuracy\n")
    with pytest.raises(ValueError, match=r"labels.csv is damaged"):
        Labels.load(path)


def test_labels_that_teach_nothing_are_refused():
    inputs = np.random.default_rng(0).random((20, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="20 labels without any difference"):
        fit_predictor(inputs, np.full(20, 0.5))
    with pytest.raises(ValueError, match="4 labels are too few"):
        cross_validated(inputs[:4], np.arange(4.0))
