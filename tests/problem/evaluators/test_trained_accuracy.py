"""Accuracy by shared weights and by training, on a folder of tiny pictures."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from mcu_nas_moo import InputError, SupernetAccuracy, Task, TrainedAccuracy, load_space
from mcu_nas_moo.data.image_folders import read_images
from mcu_nas_moo.data.images import calibration_images, split_validation
from mcu_nas_moo.problem.facts import problem_facts
from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec
from mcu_nas_moo.training.supernet.supernet import recalibrate


@pytest.fixture
def pictures(image_folder, tmp_path):
    folder = tmp_path / "pets"
    shutil.copytree(image_folder, folder)
    return folder


@pytest.fixture(scope="module")
def weights(supernet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "supernet.safetensors"
    supernet.save(path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_shared_weights_have_the_share_of_right_answers(pictures, weights, supernet, small_space):
    X = np.concatenate([small_space.smallest, small_space.largest])
    told = SupernetAccuracy(pictures, weights).evaluate(small_space, X)["accuracy"]
    train, validation = split_validation(read_images(pictures / "train"))
    for x, accuracy in zip(X, told, strict=True):
        layers = small_space.network(x[None]).layers()
        module = supernet.supernet.subnet(layers)
        recalibrate(module, calibration_images(train), supernet.normalise)
        side = layers[0].in_size[0]
        pixels = torch.nn.functional.interpolate(
            supernet.normalise(validation.pixels), (side, side), mode="bilinear", antialias=True
        )
        with torch.no_grad():
            right = module.eval()(pixels).argmax(1) == validation.targets
        assert accuracy == pytest.approx(right.float().mean().item())
    assert told[1] > 0.9  # the two classes differ in colour


def test_a_training_learns_and_repeats(pictures, tiny_space):
    X = tiny_space.largest
    one, again = (TrainedAccuracy(pictures, 30).evaluate(tiny_space, X) for _ in range(2))
    assert one == again
    assert one["accuracy"][0] > 0.9
    assert one["reason"] == [""]


def test_a_training_that_diverges_is_a_failure_with_its_reason(pictures, tiny_space, monkeypatch):
    from mcu_nas_moo.training.supernet import evaluation

    honest = evaluation.train_alone

    def diverging(*arguments):
        module = honest(*arguments)
        with torch.no_grad():
            next(iter(module.parameters())).fill_(float("nan"))
        return module

    monkeypatch.setattr(evaluation, "train_alone", diverging)
    task = Task(tiny_space, "cortex-m7", accuracy=TrainedAccuracy(pictures, 1))
    F, G = task.evaluate(tiny_space.smallest)
    assert np.isnan(F).all()
    assert np.isnan(G).all()
    assert task.reason(tiny_space.smallest[0]) == "the training diverged"


def test_figures_are_kept_and_the_data_is_named(pictures, tiny_space, monkeypatch):
    task = Task(tiny_space, "cortex-m7", accuracy=TrainedAccuracy(pictures, 1))
    assert task.evaluators.accuracy_of == "pets (1 epochs)"
    assert task.table["error"].label == "error on pets (1 epochs), %"
    before = task.evaluate(tiny_space.smallest).F
    monkeypatch.setattr(TrainedAccuracy, "evaluate", lambda *arguments: 1 / 0)
    again = Task(tiny_space, "cortex-m7", accuracy=TrainedAccuracy(pictures, 1))
    np.testing.assert_array_equal(again.evaluate(tiny_space.smallest).F, before)
    with pytest.raises(InputError, match="evaluator training failed: ZeroDivisionError"):
        again.evaluate(tiny_space.largest)


def test_fingerprints_follow_pictures_epochs_and_weights(pictures, weights, tmp_path):
    one = TrainedAccuracy(pictures, 1).fingerprint
    assert TrainedAccuracy(pictures, 1).fingerprint == one
    assert TrainedAccuracy(pictures, 2).fingerprint != one
    assert TrainedAccuracy(pictures, 1, seed=1).fingerprint != one
    shared = SupernetAccuracy(pictures, weights).fingerprint
    (pictures / "train" / "red" / "000.png").unlink()
    assert TrainedAccuracy(pictures, 1).fingerprint != one
    assert SupernetAccuracy(pictures, weights).fingerprint != shared


def test_a_task_returns_from_its_facts_wherever_the_pictures_lie(pictures, weights, small_space):
    for accuracy in (TrainedAccuracy(pictures, 2, seed=3), SupernetAccuracy(pictures, weights)):
        task = Task(small_space, "cortex-m7", accuracy=accuracy)
        facts = problem_facts(task.facts().plain(pictures.parent), "study.json")
        again = Task.from_facts(facts, pictures.parent / "study.json")
        assert again.fingerprint == task.fingerprint
        assert again.evaluators.accuracy_of == task.evaluators.accuracy_of
    moved = pictures.rename(pictures.parent / "elsewhere")
    with pytest.raises(InputError, match=rf"{pictures} is missing; put the pictures there or at"):
        Task.from_facts(facts, pictures.parent / "study.json")
    moved.rename(pictures)
    (pictures / "train" / "red" / "000.png").unlink()
    with pytest.raises(InputError, match=rf"{pictures} holds other pictures than then"):
        Task.from_facts(facts, pictures.parent / "study.json")


def test_wrong_folders_spaces_and_classes(pictures, weights, tiny_space, small_space, tmp_path):
    with pytest.raises(InputError, match="none"):
        TrainedAccuracy(tmp_path / "none")
    X = load_space("mbconv-stage").smallest
    with pytest.raises(InputError, match="another number of classes than the pictures, 2"):
        TrainedAccuracy(pictures).evaluate(load_space("mbconv-stage"), X)
    with pytest.raises(InputError, match="mbconv-stage"):
        SupernetAccuracy(pictures, weights).evaluate(load_space("mbconv-stage"), X)
    shutil.copytree(pictures / "train" / "red", pictures / "train" / "green")
    with pytest.raises(InputError, match="class"):
        SupernetAccuracy(pictures, weights).evaluate(small_space, small_space.smallest)


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        ({"input": {"channels": 1}}, "1x16x16"),
        ({"resolution": [[16, 32], [32, 16]]}, "3x16x32"),
    ],
)
def test_pictures_are_square_and_coloured(pictures, small_spec, change, shape):
    facts = {"name": "grey", "granularity": "stage", "classes": 2} | change
    space = MBConvSpace(MBConvSpec.model_validate(small_spec | facts))
    with pytest.raises(InputError) as refused:
        TrainedAccuracy(pictures, 1).evaluate(space, space.smallest)
    assert str(refused.value) == (
        f"a network of space 'grey' reads {shape} (channels x height x width), but pictures are "
        "square and have 3 channels here; let an evaluator of your own tell the accuracy"
    )
