"""Training from start to finish on a problem that a supernet can learn, and resuming it."""

from dataclasses import replace

import pytest
import torch

from mcu_nas_moo.data.image_folders import read_images
from mcu_nas_moo.data.images import calibration_images, split_validation
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.training.supernet.labels import Labels, label_subnets, sample_for_labels
from mcu_nas_moo.training.supernet.supernet import accuracy, recalibrate
from mcu_nas_moo.training.supernet.trainer import SupernetTrainer, TrainingSettings, train_supernet
from mcu_nas_moo.training.supernet.weights import TrainedSupernet

SETTINGS = TrainingSettings(epochs=8, batch_size=12, learning_rate=0.02, warmup_epochs=0.5)


def trainer(space, folder, out, settings=SETTINGS):
    train, validation = split_validation(read_images(folder / "train"))
    return SupernetTrainer([space], train, validation, settings, out)


@pytest.fixture(scope="module")
def trained(tiny_space, image_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    result = train_supernet(trainer(tiny_space, image_folder, out))
    result.save(out / "supernet.safetensors")
    return out, result


def test_every_subnet_learns(trained, tiny_space, image_folder, rng):
    _, result = trained
    train, _ = split_validation(read_images(image_folder / "train"))
    test = read_images(image_folder / "test")
    for x in [*tiny_space.sample(4, rng), tiny_space.smallest[0], tiny_space.largest[0]]:
        module = result.supernet.subnet(tiny_space.network(x[None]).layers())
        recalibrate(module, calibration_images(train), result.normalise)
        assert accuracy(module, test, result.normalise) > 0.8  # chance is 0.5


def test_stopped_and_resumed_training_ends_where_an_unbroken_one_does(
    trained, tiny_space, image_folder, tmp_path
):
    _, unbroken = trained
    first = trainer(tiny_space, image_folder, tmp_path)

    class StopError(Exception):
        pass

    original = first.save

    def save_and_stop():
        original()
        if first.epoch == 2:
            raise StopError

    first.save = save_and_stop
    with pytest.raises(StopError):
        train_supernet(first)
    resumed = trainer(tiny_space, image_folder, tmp_path)
    assert resumed.epoch == 2
    result = train_supernet(resumed)
    for name, value in unbroken.supernet.state_dict().items():
        torch.testing.assert_close(result.supernet.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_weights_survive_the_file(trained, tiny_space):
    out, result = trained
    loaded = TrainedSupernet.load(out / "supernet.safetensors")
    for name, value in result.supernet.state_dict().items():
        assert torch.equal(loaded.supernet.state_dict()[name], value)
    assert loaded.spaces[0].spec == tiny_space.spec
    assert loaded.normalise == result.normalise
    assert loaded.training["settings"]["epochs"] == 8
    with pytest.raises(ValueError, match="trained for tiny, not 'other'; give --supernet FILE"):
        loaded.spaces_named(["other"])


def test_tensorboard_events_are_written(trained):
    out, _ = trained
    assert list((out / "tensorboard").glob("events.*"))


def test_labels_resume_and_are_true_accuracies(trained, tiny_space, image_folder, tmp_path):
    _, result = trained
    train, validation = split_validation(read_images(image_folder / "train"))
    calibration = calibration_images(train)
    path = tmp_path / "labels.csv"
    sample = sample_for_labels(tiny_space, 5)
    begun = sample._replace(X=sample.X[:2], uniform=sample.uniform[:2])
    label_subnets(result, [begun], calibration, validation, path)
    done = []
    labels = label_subnets(result, [sample], calibration, validation, path, advance=done.append)
    assert sum(done) == len(labels) == 5
    assert (labels.genotypes(tiny_space) == sample.X).all()
    assert labels.table["sample"].tolist() == ["uniform"] * 3 + ["graded"] * 2
    module = result.supernet.subnet(tiny_space.network(sample.X[4:]).layers())
    recalibrate(module, calibration, result.normalise)
    assert labels.accuracy(tiny_space)[4] == accuracy(module, validation, result.normalise)
    assert Labels.load(path).accuracy(tiny_space) == pytest.approx(
        labels.accuracy(tiny_space), abs=1e-4
    )


def test_labels_of_another_supernet_are_not_continued(trained, tiny_space, image_folder, tmp_path):
    out, result = trained
    train, validation = split_validation(read_images(image_folder / "train"))
    path = tmp_path / "labels.csv"
    sample = sample_for_labels(tiny_space, 2)
    label_subnets(result, [sample], train, validation, path)
    other = TrainedSupernet.load(out / "supernet.safetensors")
    with torch.no_grad():
        next(other.supernet.parameters()).add_(1.0)
    with pytest.raises(ValueError, match="holds labels of another supernet"):
        label_subnets(other, [sample], train, validation, path)


def test_other_settings_do_not_resume(trained, tiny_space, image_folder):
    out, _ = trained
    with pytest.raises(ValueError, match="made with other settings, spaces or images"):
        trainer(tiny_space, image_folder, out, TrainingSettings(epochs=9, batch_size=12))


def test_other_number_of_classes(trained, image_folder, tmp_path):
    with pytest.raises(ValueError, match="10 classes apart, the images have 2"):
        trainer(load_space("mbconv-stage"), image_folder, tmp_path)
    _, result = trained
    with pytest.raises(ValueError, match="the images have 3 classes, the supernet 2"):
        result.check_classes(("a", "b", "c"))


def test_other_classes_of_the_same_number(trained, tmp_path):
    _, result = trained
    result.check_classes(("cat", "dog"))  # a supernet of nameless images takes any
    named = replace(result, training=result.training | {"class_names": ["blue", "red"]})
    named.save(tmp_path / "named.safetensors")
    read = TrainedSupernet.load(tmp_path / "named.safetensors")
    read.check_classes(("blue", "red"))
    with pytest.raises(ValueError, match="classes cat, dog, the supernet tells blue, red apart"):
        read.check_classes(("cat", "dog"))


def test_fewer_images_than_a_batch(tiny_space, image_folder, tmp_path):
    with pytest.raises(ValueError, match="less than one batch"):
        trainer(tiny_space, image_folder, tmp_path, TrainingSettings(batch_size=4000))


def test_damaged_weights_name_file_and_command(tmp_path):
    path = tmp_path / "supernet.safetensors"
    with pytest.raises(ValueError, match=r"supernet.safetensors is missing; remake it with"):
        TrainedSupernet.load(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"is damaged .* `mcu-nas supernet train --data DIR --out"):
        TrainedSupernet.load(path)


def test_learning_rate_warms_up_and_falls_to_zero():
    settings = TrainingSettings(epochs=10, learning_rate=0.4, warmup_epochs=2)
    rates = [settings.learning_rate_at(epoch / 4) for epoch in range(41)]
    assert rates[0] == 0
    assert rates[4] == pytest.approx(0.2)
    assert rates[8] == pytest.approx(0.4)
    assert rates[8:] == sorted(rates[8:], reverse=True)
    assert rates[-1] == pytest.approx(0.0)


def test_training_continues_from_given_weights(trained, tiny_space, image_folder, tmp_path):
    _, first = trained
    train, validation = split_validation(read_images(image_folder / "train"))
    settings = TrainingSettings(epochs=1, batch_size=12, learning_rate=0.001)
    second = SupernetTrainer([tiny_space], train, validation, settings, tmp_path, initial=first)
    for name, weights in second.supernet.state_dict().items():
        assert torch.equal(weights, first.supernet.state_dict()[name])
    result = train_supernet(second)
    assert result.training["initial"] == first.training
    assert result.fingerprint != first.fingerprint


def test_weights_of_another_supernet_cannot_be_continued(
    trained, tiny_space, image_folder, tmp_path
):
    _, first = trained
    train, validation = split_validation(read_images(image_folder / "train"))
    other = load_space("mbconv-stage", train.classes)
    with pytest.raises(ValueError, match="another supernet"):
        SupernetTrainer([other], train, validation, SETTINGS, tmp_path, initial=first)
