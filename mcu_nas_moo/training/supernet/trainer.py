"""Training a supernet: sandwich rule and in-place distillation (BigNAS, Yu et al., ECCV 2020)."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, write_atomically
from mcu_nas_moo.data.images import (
    Images,
    Normalisation,
    augment,
    calibration_images,
    check_reads_pictures,
)
from mcu_nas_moo.spaces.abilities import classes_of
from mcu_nas_moo.training.checkpoint import REMEDY, read_checkpoint
from mcu_nas_moo.training.supernet.supernet import Supernet, accuracy, recalibrate
from mcu_nas_moo.training.supernet.weights import TrainedSupernet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch.utils.tensorboard import SummaryWriter

    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.spaces.abilities import Nested


#: Steps between two entries of the TensorBoard log.
LOG_EVERY = 50


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a supernet training; a checkpoint resumes only under the same ones.

    Attributes:
        batch_size: images per step. Each step trains the largest, the smallest and two random
            subnets (one of each space if there are more than two).
        learning_rate: peak of the schedule (linear warm-up, then cosine to 0).
        warmup_epochs: length of the warm-up; may be a fraction.
        weight_decay: L2 penalty of the kernels; batch norms and biases have none.
        label_smoothing: of the largest network, which alone learns from the labels.
        seed: of the weights, the batches and the sampled subnets.
    """

    epochs: int = 24
    batch_size: int = 64
    learning_rate: float = 0.08
    momentum: float = 0.9
    weight_decay: float = 2e-4
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.1
    gradient_clip: float = 5.0
    seed: int = 0

    def learning_rate_at(self, epoch: float) -> float:
        """Learning rate at a point in training, in epochs from the start."""
        if epoch < self.warmup_epochs:
            return self.learning_rate * epoch / self.warmup_epochs
        done = (epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return 0.5 * self.learning_rate * (1 + math.cos(math.pi * min(done, 1.0)))


class SupernetTrainer:
    """Weights, optimiser and checkpoint of one training run.

    Args:
        spaces: what the supernet is for; they must share their largest and smallest network.
        train, validation: images on ``device``.
        folder: where the checkpoint and the TensorBoard events lie.
        initial: trained weights to start from; random ones if not given.
        data: name of the pictures, for people.
        class_names: of the images, if they have names.

    Raises:
        InputError: if the spaces do not fit together or the initial weights not to them, there
            are fewer images than a batch, or the folder holds a checkpoint of other settings.
    """

    def __init__(
        self,
        spaces: Sequence[Nested],
        train: Images,
        validation: Images,
        settings: TrainingSettings,
        folder: Path,
        device: str = "cpu",
        initial: TrainedSupernet | None = None,
        data: str = "unknown pictures",
        class_names: Sequence[str] | None = None,
    ) -> None:
        extremes = [
            (space.network(space.largest).layers(), space.network(space.smallest).layers())
            for space in spaces
        ]
        if any(pair != extremes[0] for pair in extremes):
            names = ", ".join(space.name for space in spaces)
            raise InputError(f"spaces {names} differ in their extreme networks; train them apart")
        for space in spaces:
            if classes_of(space) != train.classes:
                raise InputError(
                    f"networks of space {space.name!r} tell {classes_of(space)} classes apart, "
                    f"the images have {train.classes}; use load_space(name, classes=...)"
                )
        for layers in extremes[0]:
            check_reads_pictures(layers, f"a network of space {spaces[0].name!r}")
        if len(train) < settings.batch_size:
            raise InputError(f"{len(train)} training images are less than one batch")
        self.spaces, self.settings, self.folder, self.device = spaces, settings, folder, device
        self.train, self.validation = train, validation
        self.largest, self.smallest = extremes[0]
        self.normalise = Normalisation.of(train)
        self.calibration = calibration_images(train)
        self.steps_per_epoch = len(train) // settings.batch_size
        torch.manual_seed(settings.seed)
        self.supernet = Supernet(self.largest).to(device)
        self.initial, self.data, self.class_names = initial, data, class_names
        if initial is not None:
            self._start_from(initial)
        shapes = [*self.supernet.scales.parameters(), *self.supernet.shifts.parameters()]
        self.optimiser = torch.optim.SGD(
            [
                {
                    "params": list(self.supernet.kernels.parameters()),
                    "weight_decay": settings.weight_decay,
                },
                {"params": shapes, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            momentum=settings.momentum,
            nesterov=True,
        )
        self.epoch, self.seconds = 0, 0.0
        self._restore()

    def _start_from(self, initial: TrainedSupernet) -> None:
        try:
            self.supernet.load_state_dict(initial.supernet.state_dict())
        except RuntimeError as error:
            names = ", ".join(space.name for space in initial.spaces)
            raise InputError(
                f"the initial weights are of another supernet (for {names}): "
                f"{str(error).splitlines()[-1].strip()}"
            ) from error

    @property
    def checkpoint(self) -> Path:
        """File that a stopped run continues from."""
        return self.folder / "checkpoint.pt"

    def _restore(self) -> None:
        if not self.checkpoint.exists():
            return
        saved = read_checkpoint(self.checkpoint, self.device)
        if saved["circumstances"] != self._conditions:
            raise InputError(
                f"{self.checkpoint} was made with other settings, spaces or images "
                f"({saved['circumstances']}); repeat them, or choose another --out folder"
            )
        with parsing(self.checkpoint, REMEDY):
            self.supernet.load_state_dict(saved["supernet"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.epoch, self.seconds = saved["epoch"], saved["seconds"]

    @property
    def _conditions(self) -> dict[str, Any]:
        """What a run must have in common with the checkpoint that it continues."""
        return {
            **asdict(self.settings),
            "spaces": [space.name for space in self.spaces],
            "mean": list(self.normalise.mean),
            "images": len(self.train),
            **({"initial": self.initial.fingerprint} if self.initial else {}),
        }

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "circumstances": self._conditions,
            "supernet": self.supernet.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "seconds": self.seconds,
        }
        write_atomically(self.checkpoint, lambda path: torch.save(state, path))

    def train_epoch(self, writer: SummaryWriter, advance: Callable[[], object]) -> None:
        """Train for one epoch; ``advance`` is called after each step."""
        settings, started = self.settings, time.perf_counter()
        # Seeded by epoch, so that a resumed run sees what an unbroken one would have.
        rng = np.random.default_rng([settings.seed, self.epoch])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        order = torch.randperm(len(self.train), generator=generator)
        batches = order[: self.steps_per_epoch * settings.batch_size].reshape(
            self.steps_per_epoch, settings.batch_size
        )
        for step, rows in enumerate(batches):
            rate = settings.learning_rate_at(self.epoch + step / self.steps_per_epoch)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            batch = self.train[rows]
            # Two random subnets at least, from the spaces in turn.
            turns = range(max(2, len(self.spaces)))
            drawn = [self.spaces[turn % len(self.spaces)] for turn in turns]
            sampled = [space.network(space.sample(1, rng)).layers() for space in drawn]
            subnets = [self.largest, *sampled, self.smallest]
            images = self.normalise(augment(batch.pixels, generator))
            losses = sandwich_step(self.supernet, images, batch.targets, subnets, settings)
            torch.nn.utils.clip_grad_norm_(self.supernet.parameters(), settings.gradient_clip)
            self.optimiser.step()
            advance()
            if step % LOG_EVERY == 0:
                at = self.epoch * self.steps_per_epoch + step
                writer.add_scalar("loss/largest", losses[0], at)
                writer.add_scalar("loss/smallest_distillation", losses[-1], at)
                writer.add_scalar("learning_rate", rate, at)
        self.epoch += 1
        self.seconds += time.perf_counter() - started

    def watch(self) -> dict[str, float]:
        """Accuracy of the extreme networks on the first 2,000 validation images."""
        figures = {}
        for name, layers in (("largest", self.largest), ("smallest", self.smallest)):
            module = self.supernet.subnet(layers)
            recalibrate(module, self.calibration, self.normalise)
            figures[name] = accuracy(module, self.validation[:2000], self.normalise)
        return figures

    def result(self) -> TrainedSupernet:
        """The supernet as it is now."""
        training = {
            "settings": asdict(self.settings),
            "train_images": len(self.train),
            "validation_images": len(self.validation),
            "seconds": round(self.seconds),
            "device": self.device,
            "data": self.data,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        if self.class_names is not None:
            training["class_names"] = list(self.class_names)
        if self.initial is not None:
            training["initial"] = self.initial.training
        return TrainedSupernet(self.supernet, tuple(self.spaces), self.normalise, training)


def train_supernet(trainer: SupernetTrainer) -> TrainedSupernet:
    """Train to the last epoch, with progress on stdout, a checkpoint and events per epoch."""
    from torch.utils.tensorboard import SummaryWriter

    from mcu_nas_moo.common.progress import Bars

    epochs, steps = trainer.settings.epochs, trainer.steps_per_epoch
    with (
        SummaryWriter(str(trainer.folder / "tensorboard")) as writer,
        Bars("steps") as progress,
    ):
        bar = progress.add_task("training", total=epochs * steps)
        while trainer.epoch < epochs:
            label = f"epoch {trainer.epoch + 1}/{epochs}"
            progress.update(bar, description=label, completed=trainer.epoch * steps)
            trainer.train_epoch(writer, lambda: progress.advance(bar))
            trainer.save()
            figures = trainer.watch()
            for name, value in figures.items():
                writer.add_scalar(f"validation_accuracy/{name}", value, trainer.epoch * steps)
            progress.console.print(
                f"{label}: validation accuracy largest {figures['largest']:.3f}, "
                f"smallest {figures['smallest']:.3f}; {trainer.seconds:.0f} s in all",
                highlight=False,
            )
    return trainer.result()


def sandwich_step(
    supernet: Supernet,
    images: torch.Tensor,
    targets: torch.Tensor,
    subnets: Sequence[Sequence[Layer]],
    settings: TrainingSettings,
) -> list[float]:
    """Set the gradients to the sum over ``subnets``, the largest one first.

    The largest learns from the labels, all others from the largest's softened answer.

    Returns:
        the loss of each subnet.
    """
    supernet.zero_grad(set_to_none=True)
    losses = []
    soft = None
    for layers in subnets:
        logits = supernet(images, layers)
        if soft is None:
            loss = F.cross_entropy(logits, targets, label_smoothing=settings.label_smoothing)
            soft = logits.detach().softmax(1)
        else:
            loss = F.cross_entropy(logits, soft)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
    return losses
