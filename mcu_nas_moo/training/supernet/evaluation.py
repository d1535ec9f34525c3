"""Accuracy of chosen subnets on the validation and, once, on the test images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mcu_nas_moo.training.supernet.supernet import accuracy, recalibrate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcu_nas_moo.data.images import Images
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
