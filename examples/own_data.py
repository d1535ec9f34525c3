"""One's own pictures: accuracy of networks that are trained on them.

python own_data.py [FOLDER]

makes pictures of two kinds and trains some networks on them. For a search among thousands, share
weights and fit a predictor, as README.md in this folder shows; commands take FOLDER as --data.
"""

import sys
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from PIL import Image

from mcu_nas_moo import Task, TrainedAccuracy, load_space

SPACE = """kind: mbconv
granularity: stage
classes: 2
resolution: [12, 16]
stem: [4, 8]
stages: [{stride: 2, depth: [1], kernel: [3], width: [8, 16], expansion: [2]}]
head: [16]
"""


def make_pictures(folder, each=40):
    """``train/<class>/<picture>`` and ``test/<class>/<picture>``: bars that lie or stand."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for kind in ("lying", "standing"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
            for number in range(each):
                pixels = rng.integers(0, 180, (32, 32, 3), dtype=np.uint8)
                pixels[rng.integers(0, 4) :: 4] += 70
                if kind == "standing":
                    pixels = pixels.transpose(1, 0, 2)
                Image.fromarray(pixels).save(folder / split / kind / f"{number}.png")


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else mkdtemp())
    make_pictures(folder)
    (folder / "small.yaml").write_text(SPACE)
    space = load_space(folder / "small.yaml")
    task = Task(space, "cortex-m0plus", accuracy=TrainedAccuracy(folder, epochs=20))
    X = space.sample(2, np.random.default_rng(1))
    F, _ = task.evaluate(X)
    print(f"error on {task.accuracy_of}, and latency in ms:")
    for subnet, (error, latency) in zip(space.decode(X), F):
        print(f"{error:.3f} {latency:7.2f}  {subnet}")
