"""Accuracy of chosen subnets, with shared weights and trained alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from mcu_nas_moo.data.images import augment, resize
from mcu_nas_moo.networks.torch_module import SubnetModule
from mcu_nas_moo.training.supernet.supernet import accuracy, recalibrate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcu_nas_moo.data.images import Images, Normalisation
    from mcu_nas_moo.networks.layer import Layer
    from mcu_nas_moo.training.supernet.trainer import TrainingSettings
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet


def evaluate_subnets(
    trained: TrainedSupernet,
    calibration: Images,
    splits: Mapping[str, Images],
    random_subnets: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Evaluate the smallest, the largest and some random subnets of the first space.

    Args:
        calibration: training images that set the batch-norm statistics.
        splits: images to evaluate on, by name.

    Returns:
        one row per subnet: ``subnet`` (what it is), ``macs_m``, and its accuracy on each split.
    """
    space = trained.spaces[0]
    sampled = space.sample(random_subnets, np.random.default_rng(seed))
    names = ["smallest", "largest", *(f"random {row + 1}" for row in range(random_subnets))]
    table = space.network(np.concatenate([space.smallest, space.largest, sampled]))
    macs = table.macs.sum(axis=1) / 1e6
    rows = []
    for row, name in enumerate(names):
        module = trained.supernet.subnet(table.layers(row))
        recalibrate(module, calibration, trained.normalise)
        figures = {
            split: accuracy(module, images, trained.normalise) for split, images in splits.items()
        }
        rows.append({"subnet": name, "macs_m": macs[row], **figures})
    return pd.DataFrame(rows)


def train_alone(
    layers: Sequence[Layer], train: Images, normalise: Normalisation, settings: TrainingSettings
) -> SubnetModule:
    """Train the network ``layers`` from random weights, with labels only."""
    torch.manual_seed(settings.seed)
    module = SubnetModule(layers).to(train.pixels.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        module.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    generator = torch.Generator().manual_seed(settings.seed)
    steps = len(train) // settings.batch_size
    for epoch in range(settings.epochs):
        order = torch.randperm(len(train), generator=generator)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate_at(epoch + step / steps)
            batch = train[order[step * settings.batch_size : (step + 1) * settings.batch_size]]
            images = normalise(augment(batch.pixels, generator))
            logits = module(resize(images, layers[0].in_size[0]))
            optimiser.zero_grad()
            loss = F.cross_entropy(logits, batch.targets, label_smoothing=settings.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return module.eval()  # type: ignore[no-any-return]


def compare_rankings(
    trained: TrainedSupernet,
    train: Images,
    calibration: Images,
    validation: Images,
    settings: TrainingSettings,
    subnets: int,
    *,
    advance: Callable[[int], object] = lambda _: None,
) -> pd.DataFrame:
    """Shared-weight and stand-alone validation accuracy of subnets spread over the sizes.

    The subnets are every k-th of 64 uniform samples of the first space, sorted by MACs.

    Returns:
        one row per subnet: ``genotype``, ``macs_m``, ``shared`` and ``alone`` (accuracies), and
        ``epochs`` of the stand-alone training.
    """
    space = trained.spaces[0]
    X = space.sample(64, np.random.default_rng(settings.seed))
    macs = space.network(X).macs.sum(axis=1)
    chosen = np.argsort(macs)[np.linspace(0, len(X) - 1, subnets).round().astype(int)]
    rows = []
    for x in X[chosen]:
        table = space.network(x[None, :])
        layers = table.layers()
        shared = trained.supernet.subnet(layers)
        recalibrate(shared, calibration, trained.normalise)
        alone = train_alone(layers, train, trained.normalise, settings)
        rows.append(
            {
                "genotype": "-".join(map(str, x)),
                "macs_m": table.macs.sum() / 1e6,
                "shared": accuracy(shared, validation, trained.normalise),
                "alone": accuracy(alone, validation, trained.normalise),
                "epochs": settings.epochs,
            }
        )
        advance(1)
    return pd.DataFrame(rows)
