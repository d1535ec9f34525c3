"""Learning from the largest network of the supernet (knowledge distillation)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.data.images import Images, resize
from mcu_nas_moo.training.supernet.supernet import accuracy, recalibrate

if TYPE_CHECKING:
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

#: Validation images by which a teacher is judged.
_JUDGED_BY = 1000
#: How far from guessing (0) to perfect (1) a teacher must be; below, its classes are others.
_LEAST_SKILL = 0.25


class Teacher:
    """The largest network of a supernet, batch norms recalibrated; gives logits for pixels.

    Args:
        calibration: training images in random order.
        validation: images that the teacher must know something about.

    Raises:
        InputError: if the supernet tells other classes apart than those of the images.
    """

    def __init__(self, trained: TrainedSupernet, calibration: Images, validation: Images) -> None:
        known, wanted = trained.classes, validation.classes
        remedy = "use --no-distil, or --supernet with a supernet trained on these images"
        if known != wanted:
            raise InputError(
                f"the supernet tells {known} classes apart, the images have {wanted}, so its "
                f"largest network cannot teach; {remedy}"
            )
        self.normalise = trained.normalise
        self.module = trained.supernet.subnet(trained.supernet.largest)
        recalibrate(self.module, calibration, self.normalise)
        #: Share of the validation images that it classifies correctly.
        self.accuracy = accuracy(self.module, validation[:_JUDGED_BY], self.normalise)
        chance = 1 / known
        if self.accuracy < chance + _LEAST_SKILL * (1 - chance):
            raise InputError(
                f"the largest network of the supernet classifies {self.accuracy:.1%} of the "
                f"validation images correctly, too few to teach; {remedy}"
            )

    @torch.no_grad()
    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits for uint8 images ``(B, 3, H, W)``, seen at the teacher's own resolution."""
        resolution = self.module.layers[0].in_size[0]
        logits: torch.Tensor = self.module(resize(self.normalise(pixels), resolution))
        return logits


def distillation_loss(
    logits: torch.Tensor, taught: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Divergence of the softened answers, with the gradients' scale kept by temperature squared.

    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015, section 2.
    """
    divergence = F.kl_div(
        (logits / temperature).log_softmax(1),
        (taught / temperature).log_softmax(1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * temperature**2
