"""Retraining from start to finish on two classes that a small network can tell apart."""

import dataclasses
import shutil

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mcu_nas_moo.data.image_folders import ImageFolder
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.training.subnet.distillation import Teacher, distillation_loss
from mcu_nas_moo.training.subnet.fake_quantisation import Int8Simulation
from mcu_nas_moo.training.subnet.settings import RetrainingSettings
from mcu_nas_moo.training.subnet.trainer import Retrainer, retrain, weight_average
from mcu_nas_moo.training.subnet.weights import supernet_part
from mcu_nas_moo.training.supernet.supernet import Supernet, accuracy
from mcu_nas_moo.training.supernet.weights import TrainedSupernet

SETTINGS = RetrainingSettings(epochs=3, qat_epochs=2, batch_size=12, ema=0.9)


@pytest.fixture(scope="module")
def finished(subnet, images, supernet, tmp_path_factory):
    trainer = Retrainer(subnet, images, SETTINGS, tmp_path_factory.mktemp("run"), supernet=supernet)
    return trainer, retrain(trainer)


def test_the_result_is_accurate_in_float_and_int8(finished, images):
    trainer, result = finished
    test = images.test()
    assert accuracy(trainer.float_network(), test, result.normalise) > 0.9
    assert accuracy(result.module, test, result.normalise) > 0.9
    assert accuracy(Int8Simulation(result.module, result.ranges), test, result.normalise) > 0.9
    assert not result.module.training


def test_learns_from_scratch_without_a_supernet(subnet, images, tmp_path):
    settings = dataclasses.replace(
        SETTINGS, start="scratch", distil=False, epochs=8, qat_epochs=0, learning_rate=0.05
    )
    result = retrain(Retrainer(subnet, images, settings, tmp_path))
    assert accuracy(result.module, images.test(), result.normalise) > 0.9
    assert result.ranges is None


def test_history_and_events(finished):
    trainer, _ = finished
    assert [entry["epoch"] for entry in trainer.history] == [1, 2, 3, 4, 5]
    assert ["int8" in entry for entry in trainer.history] == [False] * 3 + [True] * 2
    assert list((trainer.folder / "tensorboard").glob("events.*"))


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_stopped_and_resumed_training_is_bit_equal(
    finished, subnet, images, supernet, tmp_path, stop_after
):
    _, unbroken = finished
    first = Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)
    save = first.save

    def save_and_stop():
        save()
        if first.epoch == stop_after:
            raise KeyboardInterrupt

    first.save = save_and_stop
    with pytest.raises(KeyboardInterrupt):
        retrain(first)
    second = Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)
    assert second.epoch == stop_after
    result = retrain(second)
    for name, value in unbroken.module.state_dict().items():
        assert torch.equal(result.module.state_dict()[name], value), name
    assert result.ranges == unbroken.ranges


def test_a_finished_training_starts_with_its_result(finished, subnet, images, supernet):
    trainer, result = finished
    again = Retrainer(subnet, images, SETTINGS, trainer.folder, supernet=supernet)
    repeated = retrain(again)
    for name, value in result.module.state_dict().items():
        assert torch.equal(repeated.module.state_dict()[name], value)
    for name, value in trainer.float_network().state_dict().items():
        assert torch.equal(again.float_network().state_dict()[name], value)


def test_quantised_training_freezes_statistics_and_moves_weights(finished):
    trainer, result = finished
    before, after = trainer.float_network().state_dict(), result.module.state_dict()
    for name in before:
        if "running" in name:
            assert torch.equal(before[name], after[name])
        elif name.endswith("weight"):
            assert not torch.equal(before[name], after[name]), name


def test_other_settings_or_images_do_not_resume(finished, subnet, images, supernet):
    folder = finished[0].folder
    other = dataclasses.replace(SETTINGS, epochs=4)
    with pytest.raises(ValueError, match=rf"{folder} holds .*\(epochs was 3, not 4\)"):
        Retrainer(subnet, images, other, folder, supernet=supernet)
    fewer = ImageFolder(
        images.root, images.class_names, images.train[: len(images.train) - 1], images.validation
    )
    with pytest.raises(ValueError, match="images was"):
        Retrainer(subnet, fewer, SETTINGS, folder, supernet=supernet)


@pytest.mark.parametrize("damage", [b"", b"nothing", None])
def test_a_damaged_checkpoint_is_refused(finished, subnet, images, supernet, tmp_path, damage):
    content = finished[0].checkpoint.read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(content[:-500] if damage is None else damage)
    with pytest.raises(ValueError, match=r"checkpoint.pt is damaged .*; delete it"):
        Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)


def test_a_checkpoint_of_another_file_is_refused(subnet, images, supernet, tmp_path):
    torch.save({"other": 1}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"checkpoint.pt is damaged"):
        Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)


def test_a_loss_that_explodes_names_the_learning_rate(subnet, images, supernet, tmp_path):
    settings = dataclasses.replace(SETTINGS, learning_rate=1e30, warmup_share=0.0)
    trainer = Retrainer(subnet, images, settings, tmp_path, supernet=supernet)
    with pytest.raises(ValueError, match=r"rate of \S*e\+\d+; give a lower --learning-rate"):
        retrain(trainer)


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"qat_learning_rate": 1e20}, "--qat-learning-rate"),
        ({"learning_rate": 1e20, "epochs": 1}, "--learning-rate"),
        ({"learning_rate": 1e20, "epochs": 1, "batch_size": 108}, "--learning-rate"),
        ({"learning_rate": 1e15, "epochs": 1, "batch_size": 108, "qat_epochs": 0}, "--learning-"),
    ],
    ids=["int8", "loss", "a single step", "without int8"],
)
def test_values_that_explode_anywhere_name_the_option(
    subnet, images, supernet, tmp_path, change, option
):
    settings = dataclasses.replace(SETTINGS, **change)
    trainer = Retrainer(subnet, images, settings, tmp_path, supernet=supernet)
    with pytest.raises(ValueError, match=rf"no longer finite in epoch \d.*give a lower {option}"):
        retrain(trainer)
    if trainer.checkpoint.exists():
        saved = torch.load(trainer.checkpoint, weights_only=True)
        assert all(value.isfinite().all() for value in saved["module"].values())


def test_weights_too_large_for_int8_name_the_option(subnet, images, supernet, tmp_path):
    trainer = Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)
    *_, weights, _ = trainer.average.parameters()  # of the classifier; finite, their sums are not
    weights.data.fill_(3e38)
    with pytest.raises(ValueError, match=r"no longer finite.*give a lower --learning-rate"):
        trainer.begin_quantising()


@pytest.mark.parametrize("epoch", [1, 4])
def test_weights_broken_by_the_last_step_are_not_kept(
    subnet, images, supernet, tmp_path, epoch, monkeypatch
):
    trainer = Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)
    steps = []
    step = torch.optim.SGD.step

    def breaking(self, *arguments):
        step(self, *arguments)
        steps.append(1)
        if len(steps) == epoch * trainer.steps_per_epoch:
            self.param_groups[0]["params"][0].data[0] = float("nan")

    monkeypatch.setattr(torch.optim.SGD, "step", breaking)
    with pytest.raises(ValueError, match=rf"no longer finite in epoch {epoch}, .*give a lower"):
        retrain(trainer)
    assert trainer.checkpoint.exists() == (epoch > 1)


def accuracies_logged(folder):
    """Steps and values by tag, as TensorBoard shows them."""
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_events_of_a_resumed_training_are_those_of_an_unbroken_one(
    finished, subnet, images, supernet, tmp_path
):
    unbroken = accuracies_logged(finished[0].folder)
    assert [len(unbroken[f"validation_accuracy/{name}"]) for name in ("last", "int8")] == [5, 2]
    first = Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)
    train_epoch = first.train_epoch

    def train_and_stop(writer, advance):
        train_epoch(writer, advance)
        if first.epoch == 3:  # logged in part, and not in the checkpoint
            raise KeyboardInterrupt

    first.train_epoch = train_and_stop
    with pytest.raises(KeyboardInterrupt):
        retrain(first)
    for _ in range(2):  # to the end, and once more when all is done
        retrain(Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet))
        assert accuracies_logged(tmp_path) == unbroken


def test_fewer_images_than_a_batch(subnet, images, supernet, tmp_path):
    settings = dataclasses.replace(SETTINGS, batch_size=109)
    with pytest.raises(ValueError, match="108 training images are less than one batch of 109"):
        Retrainer(subnet, images, settings, tmp_path, supernet=supernet)


def test_average_equals_one_by_hand():
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2)
    average = weight_average(module, 0.5)
    expected = None
    for step in range(8):
        with torch.no_grad():
            module.weight.normal_()
        average.update_parameters(module)
        now = module.weight.detach().clone()
        if expected is None:
            expected = now
        else:
            # From the eighth update on, the short-term limit is above the decay.
            decay = min(0.5, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * now
    torch.testing.assert_close(average.module.weight, expected)


def test_no_average_is_the_last_weights(subnet, images, supernet, tmp_path):
    settings = dataclasses.replace(SETTINGS, epochs=1, qat_epochs=0, ema=0.0, distil=False)
    trainer = Retrainer(subnet, images, settings, tmp_path, supernet=supernet)
    result = retrain(trainer)
    for name, value in trainer.module.named_parameters():
        assert torch.equal(dict(result.module.named_parameters())[name], value)


def test_learning_rate_by_hand():
    settings = RetrainingSettings(
        epochs=10, qat_epochs=2, learning_rate=0.4, qat_learning_rate=0.2, warmup_share=0.2
    )
    at = settings.learning_rate_at
    assert at(1.0) == pytest.approx(0.2)
    assert at(2.0) == pytest.approx(0.4)
    assert at(6.0) == pytest.approx(0.2)
    assert at(9.999) == pytest.approx(0, abs=1e-5)
    assert at(10.0) == pytest.approx(0.2)
    assert at(11.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("epochs", 0), ("qat_epochs", -1), ("batch_size", 1), ("learning_rate", 0.0)),
        *(("label_smoothing", 1.0), ("ema", 1.0), ("temperature", 0.0), ("start", "nothing")),
        ("learning_rate", float("nan")),
    ],
)
def test_settings_out_of_range(setting, value):
    with pytest.raises(ValueError, match=setting.replace("_", " ")):
        RetrainingSettings(**{setting: value})


def test_distillation_loss_by_hand():
    logits, taught = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    ours, theirs = (logits / 2).softmax(1), (taught / 2).softmax(1)
    expected = 4 * (theirs * (theirs / ours).log()).sum()
    torch.testing.assert_close(distillation_loss(logits, taught, 2.0), expected)
    assert distillation_loss(taught, taught, 2.0) == pytest.approx(0, abs=1e-6)


def test_a_teacher_that_knows_nothing_is_refused(small_space, images, supernet):
    torch.manual_seed(0)
    random = Supernet(supernet.supernet.largest)
    ignorant = TrainedSupernet(random, supernet.spaces, supernet.normalise, {})
    with pytest.raises(ValueError, match=r"too few to teach; use --no-distil"):
        Teacher(ignorant, images.train, images.validation)


def test_other_classes_start_with_a_fresh_classifier(subnet, images, supernet, tmp_path):
    module = supernet_part(supernet, subnet, 5)
    shared = supernet_part(supernet, subnet, 2)
    assert isinstance(module, SubnetModule)
    for name, value in shared.state_dict().items():
        found = module.state_dict()[name]
        if "classifier" in name:
            assert found.shape[0] == 5
        else:
            assert torch.equal(found, value)
    three = dataclasses.replace(
        images,
        class_names=("a", "b", "c"),
        train=dataclasses.replace(images.train, targets=torch.arange(len(images.train)) % 3),
        validation=dataclasses.replace(
            images.validation, targets=torch.arange(len(images.validation)) % 3
        ),
    )
    with pytest.raises(ValueError, match=r"2 classes apart, the images have 3.*--no-distil"):
        Retrainer(subnet, three, SETTINGS, tmp_path, supernet=supernet)
    settings = dataclasses.replace(SETTINGS, distil=False, epochs=1, qat_epochs=1)
    result = retrain(Retrainer(subnet, three, settings, tmp_path, supernet=supernet))
    assert result.subnet.classes == 3
    assert result.module.layers[-1].out_channels == 3


def test_a_supernet_of_other_spaces_is_refused(subnet, supernet):
    other = subnet.model_copy(update={"space": "mbconv-stage"})
    with pytest.raises(ValueError, match="trained for small, not 'mbconv-stage'"):
        supernet_part(supernet, other, 2)


def test_every_step_has_a_learning_rate_above_zero(subnet, images, supernet, tmp_path, monkeypatch):
    trainer = Retrainer(subnet, images, SETTINGS, tmp_path, supernet=supernet)
    step, rates = torch.optim.SGD.step, []

    def recorded(self, *arguments):
        rates.append(self.param_groups[0]["lr"])
        step(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", recorded)
    retrain(trainer)
    floats = rates[: 3 * trainer.steps_per_epoch]
    assert len(rates) == 5 * trainer.steps_per_epoch
    assert min(rates) > 0
    assert SETTINGS.learning_rate * 0.95 < max(floats) <= SETTINGS.learning_rate
    assert max(rates[len(floats) :]) <= SETTINGS.qat_learning_rate


def test_test_images_are_tried_at_the_start(image_folder, tmp_path):
    shutil.copytree(image_folder, tmp_path / "images")
    damaged = tmp_path / "images" / "test" / "red" / "004.png"
    damaged.write_bytes(damaged.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"cannot decode image .*red.004\.png"):
        ImageFolder.read(tmp_path / "images")
    shutil.rmtree(tmp_path / "images" / "test" / "red")
    (tmp_path / "images" / "test" / "red").mkdir()
    with pytest.raises(ValueError, match=r"test.red has no images"):
        ImageFolder.read(tmp_path / "images")


def test_a_class_of_a_single_image_is_refused(image_folder, tmp_path):
    shutil.copytree(image_folder / "train", tmp_path / "train")
    for path in sorted((tmp_path / "train" / "red").iterdir())[1:]:
        path.unlink()
    with pytest.raises(ValueError, match=r"train.red has a single image; each class needs 2"):
        ImageFolder.read(tmp_path)
