"""Training one subnet: in float32, then with fake quantisation; resumes after each epoch."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, write_atomically
from mcu_nas_moo.data.images import (
    Normalisation,
    augment,
    calibration_images,
    check_reads_pictures,
    resize,
)
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.training.checkpoint import REMEDY, read_checkpoint
from mcu_nas_moo.training.subnet.distillation import Teacher, distillation_loss
from mcu_nas_moo.training.subnet.fake_quantisation import (
    Int8Simulation,
    NonFiniteRangeError,
    calibrated,
)
from mcu_nas_moo.training.subnet.weights import RetrainedSubnet, supernet_part
from mcu_nas_moo.training.supernet.supernet import accuracy, recalibrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console
    from torch.utils.tensorboard import SummaryWriter

    from mcu_nas_moo.data.image_folders import ImageFolder
    from mcu_nas_moo.spaces.subnet_file import SubnetFile
    from mcu_nas_moo.training.subnet.settings import RetrainingSettings
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

#: Steps between two entries of the TensorBoard log.
LOG_EVERY = 50
#: Validation images by which each epoch is watched.
WATCHED = 2000


class Retrainer:
    """Weights, optimiser and checkpoint of one retraining.

    Args:
        images: on ``device``.
        folder: where the checkpoint and the TensorBoard events lie.
        supernet: on ``device``; needed to start from its weights, or for distillation.

    Attributes:
        module: the network with its present weights; fake quantisation trains the same ones.
        average: the network with the moving average of them.
        simulation: ``module`` in int8 once fake quantisation has begun, else None.
        float_state: weights at the end of float training, else None.
        epoch: epochs done, of both kinds.
        history: figures of each epoch, see :meth:`watch`.

    Raises:
        InputError: if the supernet is missing or does not fit the subnet or, for distillation,
            the images; there are fewer images than a batch; or the folder holds a checkpoint
            that is damaged or of other settings.
    """

    def __init__(
        self,
        subnet: SubnetFile,
        images: ImageFolder,
        settings: RetrainingSettings,
        folder: Path,
        device: str = "cpu",
        supernet: TrainedSupernet | None = None,
    ) -> None:
        if len(images.train) < settings.batch_size:
            raise InputError(
                f"{len(images.train)} training images are less than one batch of "
                f"{settings.batch_size}; give more images or a smaller --batch-size"
            )
        check_reads_pictures(subnet.layers(), f"subnet {subnet.name!r}")
        needs_supernet = settings.start == "supernet" or settings.distil
        if needs_supernet and supernet is None:
            raise InputError("a supernet is needed to start from and to distil from")
        self.supernet = supernet if needs_supernet else None
        self.images, self.settings, self.folder, self.device = images, settings, folder, device
        self.subnet = subnet.model_copy(update={"classes": len(images.class_names)})
        self.calibration = calibration_images(images.train)
        self.steps_per_epoch = len(images.train) // settings.batch_size
        self.teacher: Teacher | None = None
        torch.manual_seed(settings.seed)
        if settings.start == "supernet":
            assert supernet is not None
            self.normalise = supernet.normalise
            self.module = supernet_part(supernet, subnet, self.subnet.classes)
        else:
            self.normalise = Normalisation.of(images.train)
            self.module = SubnetModule(self.subnet.layers()).to(  # type: ignore[call-overload]
                device=device, memory_format=torch.channels_last
            )
        if settings.distil:
            assert supernet is not None
            self.teacher = Teacher(supernet, self.calibration, images.validation)
        self.average = weight_average(self.module, settings.ema)
        self.optimiser = self._fresh_optimiser()
        self.simulation: Int8Simulation | None = None
        self.float_state: dict[str, torch.Tensor] | None = None
        self.epoch, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        # What a run must have in common with the checkpoint that it continues.
        self._conditions: dict[str, Any] = {
            **asdict(settings),
            "space": self.subnet.space,
            "genotype": "-".join(map(str, self.subnet.genotype[0])),
            "images": images.fingerprint,
            "supernet": self.supernet.fingerprint if self.supernet else "none",
        }
        self._restore()

    def _fresh_optimiser(self) -> torch.optim.SGD:
        kernels = [p for p in self.module.parameters() if p.ndim > 1]
        others = [p for p in self.module.parameters() if p.ndim == 1]
        return torch.optim.SGD(
            [
                {"params": kernels, "weight_decay": self.settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self.settings.learning_rate,
            momentum=self.settings.momentum,
            nesterov=True,
        )

    @property
    def checkpoint(self) -> Path:
        """File that a stopped run continues from."""
        return self.folder / "checkpoint.pt"

    def _restore(self) -> None:
        if not self.checkpoint.exists():
            return
        saved = read_checkpoint(self.checkpoint, self.device)
        known = saved["circumstances"]
        now = self._conditions
        changed = [name for name in now | known if now.get(name) != known.get(name)]
        if changed:
            differences = ", ".join(
                f"{name.replace('_', ' ')} was {known.get(name)}, not {now.get(name)}"
                for name in changed
            )
            raise InputError(
                f"{self.folder} holds a retraining with other settings or images ({differences}); "
                "repeat them, choose another --out folder, or delete that one"
            )
        with parsing(self.checkpoint, REMEDY):
            self.epoch, self.seconds = saved["epoch"], saved["seconds"]
            self.history, self.float_state = saved["history"], saved["float_state"]
            self.module.load_state_dict(saved["module"])
            if saved["ranges"] is not None:
                self.simulation = Int8Simulation(self.module.eval(), saved["ranges"])
            self.average.load_state_dict(saved["average"])
            self.optimiser.load_state_dict(saved["optimiser"])

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "circumstances": self._conditions,
            "module": self.module.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "ranges": self.simulation.ranges if self.simulation else None,
            "float_state": self.float_state,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "history": self.history,
        }
        write_atomically(self.checkpoint, lambda path: torch.save(state, path))

    def train_epoch(self, writer: SummaryWriter, advance: Callable[[], object]) -> None:
        """Train for one epoch; ``advance`` is called after each step.

        Raises:
            InputError: if the loss or the weights are no longer finite.
        """
        settings, started = self.settings, time.perf_counter()
        # Seeded by epoch, so that a resumed run sees what an unbroken one would have.
        rng = np.random.default_rng([settings.seed, self.epoch])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        order = torch.randperm(len(self.images.train), generator=generator)
        batches = order[: self.steps_per_epoch * settings.batch_size].reshape(
            self.steps_per_epoch, settings.batch_size
        )
        network = (self.simulation or self.module).train()
        for step, rows in enumerate(batches):
            # In the middle of the step: at the start of warm-up and the end it would be 0.
            rate = settings.learning_rate_at(self.epoch + (step + 0.5) / self.steps_per_epoch)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            batch = self.images.train[rows]
            try:
                loss = self._loss(network, augment(batch.pixels, generator), batch.targets)
            except NonFiniteRangeError as error:
                raise self._exploded(self.epoch + 1) from error
            if not loss.isfinite():
                raise self._exploded(self.epoch + 1)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.average.update_parameters(self.module)
            advance()
            if step % LOG_EVERY == 0:
                at = self.epoch * self.steps_per_epoch + step
                writer.add_scalar("loss", float(loss.detach()), at)
                writer.add_scalar("learning_rate", rate, at)
        if not (is_finite(self.module) and is_finite(self.average)):
            raise self._exploded(self.epoch + 1)
        self.epoch += 1
        self.seconds += time.perf_counter() - started

    def _exploded(self, epoch: int) -> InputError:
        if self.simulation:
            option, peak = "--qat-learning-rate", self.settings.qat_learning_rate
        else:
            option, peak = "--learning-rate", self.settings.learning_rate
        # A checkpoint stands in the way of other settings.
        first = f"delete {self.folder} and " if self.checkpoint.exists() else ""
        return InputError(
            f"loss or weights are no longer finite in epoch {epoch}, with a peak learning rate of "
            f"{peak:.3g}; {first}give a lower {option}"
        )

    def _loss(
        self, network: SubnetModule, pixels: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        settings = self.settings
        logits = network(resize(self.normalise(pixels), network.layers[0].in_size[0]))
        loss = F.cross_entropy(logits, targets, label_smoothing=settings.label_smoothing)
        if self.teacher is None:
            return loss
        taught = distillation_loss(logits, self.teacher(pixels), settings.temperature)
        return (1 - settings.distil_weight) * loss + settings.distil_weight * taught

    def averaged(self) -> SubnetModule:
        """The network with averaged weights, in evaluation mode.

        Statistics of batch norms are no weights and are measured anew, until fake quantisation
        has frozen them.
        """
        module = cast("SubnetModule", self.average.module)
        if self.simulation is None:
            recalibrate(module, self.calibration, self.normalise)
        return module.eval()

    def watch(self) -> dict[str, float]:
        """Accuracy on the first validation images, by kind of weights.

        ``last`` for those of the last step, ``average`` for their moving average, and ``int8``
        for that in simulated int8, which is there once fake quantisation has begun.
        """
        images = self.images.validation[:WATCHED]
        average = self.averaged()
        figures = {
            "last": accuracy(self.module.eval(), images, self.normalise),
            "average": accuracy(average, images, self.normalise),
        }
        if self.simulation is not None:
            simulation = Int8Simulation(average, self.simulation.ranges)
            figures["int8"] = accuracy(simulation, images, self.normalise)
        return figures

    def begin_quantising(self) -> None:
        """Go on from the averaged weights, batch norms frozen, with a fresh optimiser.

        Raises:
            InputError: if the network's values are no longer finite.
        """
        average = self.averaged()
        if not is_finite(average):  # statistics overflow before weights do
            raise self._exploded(self.epoch)
        self.float_state = {name: value.clone() for name, value in average.state_dict().items()}
        self.module.load_state_dict(self.float_state)
        if self.settings.qat_epochs:
            try:
                self.simulation = calibrated(self.module.eval(), self.calibration, self.normalise)
            except NonFiniteRangeError as error:
                raise self._exploded(self.epoch) from error
            self.average = weight_average(self.module, self.settings.ema)
            self.optimiser = self._fresh_optimiser()

    def float_network(self) -> SubnetModule:
        """The network as float training left it."""
        assert self.float_state is not None
        module = SubnetModule(self.module.layers)
        module.load_state_dict(self.float_state)
        module.eval().to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module

    def result(self) -> RetrainedSubnet:
        """The network as it is now."""
        training = {
            "weights": "retrained",
            "settings": asdict(self.settings),
            "train_images": len(self.images.train),
            "validation_images": len(self.images.validation),
            "images": self._conditions["images"],
            "supernet": self._conditions["supernet"],
            "teacher_accuracy": self.teacher.accuracy if self.teacher else None,
            "seconds": round(self.seconds),
            "device": self.device,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        ranges = self.simulation.ranges if self.simulation else None
        return RetrainedSubnet(
            self.subnet, self.averaged(), self.normalise, self.images.class_names, ranges, training
        )


def weight_average(module: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of the weights of ``module``.

    The first update copies the weights, as torch's ``AveragedModel`` does. Over the next ones the
    average is short: the decay after n updates is at most ``(1 + n) / (10 + n)``, as in
    TensorFlow's ``ExponentialMovingAverage``.
    """

    def blend(average: Any, current: Any, updates: torch.Tensor | int) -> None:
        n = int(updates)
        torch._foreach_lerp_(average, current, 1 - min(decay, (1 + n) / (10 + n)))

    average = AveragedModel(module, multi_avg_fn=blend)
    average.eval()
    return average


def is_finite(module: nn.Module) -> bool:
    """Whether all weights and statistics of a network are finite numbers."""
    return all(bool(value.isfinite().all()) for value in module.state_dict().values())


def retrain(trainer: Retrainer, console: Console | None = None) -> RetrainedSubnet:
    """Train to the last epoch, with progress on the console, a checkpoint and events per epoch."""
    from torch.utils.tensorboard import SummaryWriter

    from mcu_nas_moo.common.progress import Bars

    settings, steps = trainer.settings, trainer.steps_per_epoch
    events = str(trainer.folder / "tensorboard")
    with (
        # What an interrupted epoch has logged is logged again.
        SummaryWriter(events, purge_step=trainer.epoch * steps) as writer,
        Bars("steps", console) as progress,
    ):
        bar = progress.add_task("retraining", total=settings.all_epochs * steps)
        while trainer.epoch < settings.all_epochs:
            kind = "epoch" if trainer.epoch < settings.epochs else "quantisation-aware epoch"
            label = f"{kind} {trainer.epoch + 1}/{settings.all_epochs}"
            progress.update(bar, description=label, completed=trainer.epoch * steps)
            trainer.train_epoch(writer, lambda: progress.advance(bar))
            figures = trainer.watch()
            trainer.history.append({"epoch": trainer.epoch, **figures})
            if trainer.epoch == settings.epochs:
                trainer.begin_quantising()
            # At the epoch's last step and before the checkpoint: one that continues keeps them.
            for name, value in figures.items():
                writer.add_scalar(f"validation_accuracy/{name}", value, trainer.epoch * steps - 1)
            writer.flush()
            trainer.save()
            shown = ", ".join(f"{name} {value:.1%}" for name, value in figures.items())
            progress.console.print(
                f"{label}: validation {shown}; {trainer.seconds:.0f} s in all", highlight=False
            )
        progress.update(bar, completed=settings.all_epochs * steps)
    return trainer.result()
