"""Hypervolume after every evaluation, from all points so far at once: the truth for faster ways."""

import moocore
import numpy as np


def hypervolume_curve(F, G, reference):
    """Hypervolume ratio of the feasible ones of the first 1, 2, ... evaluations, ``(N,)``."""
    points, corner = reference.normalise(F), reference.reference_point
    inside = (G <= 0).all(axis=1) & (points < corner).all(axis=1)
    ratios = []
    for count in range(1, len(F) + 1):
        known = points[:count][inside[:count]]
        volume = moocore.hypervolume(known, ref=corner) if len(known) else 0.0
        ratios.append(float(volume) / reference.hypervolume)
    return np.round(ratios, 12)
