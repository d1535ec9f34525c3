"""Networks are costed with as many classes as the data of their accuracy have."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_space import random_predictor

from mcu_nas_moo import InputError, SupernetAccuracy, Task, TrainedAccuracy, load_space
from mcu_nas_moo.problem.evaluators.accuracy_fit import fit_and_judge
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.facts import problem_facts
from mcu_nas_moo.training.supernet.labels import Labels, label_subnets, sample_for_labels


class Pets:
    """An accuracy of pictures of three classes."""

    metrics = ("accuracy",)
    accuracy_of = "pets"
    classes = 3

    def evaluate(self, space, X):
        return {"accuracy": X.sum(axis=1) / 100}


def of(space, predictor, classes):
    return replace(predictor, details={"classes": classes, "data": "pets"})


@pytest.mark.parametrize("way", ["accuracy", "evaluators"])
def test_a_shipped_space_is_made_for_the_classes_of_the_accuracy(way):
    given = {"accuracy": Pets()} if way == "accuracy" else {"evaluators": [Pets()]}
    task = Task("mbconv-stage", **given)
    asked = Task(load_space("mbconv-stage", 3), **given)
    assert task.space.output.classes == 3
    assert task.fingerprint == asked.fingerprint
    ten = Task("mbconv-stage")
    X = ten.space.largest
    spared = ten.metrics(X)["flash_kib"] - task.metrics(X)["flash_kib"]
    head = ten.space.network(X).in_channels[0, -1]
    assert spared * 1024 >= 7 * head  # bytes of weights of the seven outputs that are not needed


def test_other_spaces_say_themselves_what_they_tell(tmp_path, small_spec):
    for space in (load_space("mbconv-stage", 5), _small(small_spec, 10)):
        told = space.output.classes
        with pytest.raises(InputError) as refused:
            Task(space, accuracy=Pets())
        assert str(refused.value) == (
            f"networks of space {space.name!r} tell {told} classes apart, but the accuracy of pets "
            f"is of 3; let the space tell 3 (`classes` of its file, `output` of its class), or "
            f"give an accuracy of {told} classes"
        )
    assert Task(_small(small_spec, 3), accuracy=Pets()).space.output.classes == 3


def _small(spec, classes):
    from mcu_nas_moo.spaces import MBConvSpace, MBConvSpec

    facts = {"name": "small", "granularity": "stage", "classes": classes}
    return MBConvSpace(MBConvSpec.model_validate(spec | facts))


def test_evaluators_that_do_not_say_take_any_number():
    for classes in (3, 10):
        space = load_space("mbconv-stage", classes)
        unknown = replace(random_predictor(space), details={})
        assert Task(space).space is space  # the shipped predictor
        assert Task(space, accuracy=unknown).space is space


def test_learned_costs_are_those_of_the_classes(learned):
    with pytest.raises(InputError, match="learned for another space that was called mbconv-stage"):
        Task("mbconv-stage", accuracy=Pets(), costs=learned)


def test_a_table_goes_with_an_accuracy_of_other_classes(tmp_path, small_spec):
    import pandas as pd

    space = load_space("mbconv-stage")
    X = space.sample(20, np.random.default_rng(0))
    rows = [dict(subnet.values) | {"heat_mw": 1.5} for subnet in space.decode(X)]
    pd.DataFrame(rows).to_csv(tmp_path / "heat.csv", index=False)
    task = Task(
        "mbconv-stage", objectives=("error", "heat_mw"), accuracy=Pets(),
        evaluators=[str(tmp_path / "heat.csv")],
    )  # fmt: skip
    assert task.space.output.classes == 3
    assert set(task.evaluate(X).F[:, 1]) == {1.5}


def test_a_predictor_knows_the_classes_of_its_labels(
    supernet, small_space, images, tmp_path, image_folder
):
    from mcu_nas_moo.data.images import calibration_images

    samples = [sample_for_labels(small_space, 15, 0)]
    calibration, path = calibration_images(images.train), tmp_path / "labels.csv"
    label_subnets(supernet, samples, calibration, images.validation, path)
    labels = Labels.load(path)
    labels.table["accuracy"] = np.linspace(0.5, 0.9, len(labels))
    fit_and_judge(supernet.spaces, labels).save(tmp_path / "predictor.safetensors")
    assert AccuracyPredictor.load(tmp_path / "predictor.safetensors").classes == 2
    assert AccuracyPredictor.load().classes == 0


def test_pictures_tell_their_classes_and_the_task_comes_back(image_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pictures = tmp_path / "pets"
    shutil.copytree(image_folder, pictures)
    task = Task("mbconv-stage", accuracy=TrainedAccuracy(pictures, 1))
    assert task.space.output.classes == 2
    facts = problem_facts(task.facts().plain(tmp_path), "study.json")
    assert Task.from_facts(facts, tmp_path / "study.json").fingerprint == task.fingerprint
    with pytest.raises(InputError, match="the images have 2 classes, the supernet 10"):
        Task("mbconv-stage", accuracy=SupernetAccuracy(pictures))
