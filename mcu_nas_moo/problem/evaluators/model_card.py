"""The model card: what the shipped weights, labels and predictor are, and how good they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.training.supernet.labels import Labels
from mcu_nas_moo.training.supernet.shipped_files import artifact_path

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = """\
# Model card: supernet, labels and accuracy predictor

This page is written by `mcu-nas model-card` from the files beside it. Accuracies are those of
CIFAR-10 (JPEG re-encoded; Krizhevsky 2009), in float32. `DIR` is a folder with the images as
`train/<class>/<image>` and `test/<class>/<image>`; a command writes a shipped file anew if it is
given `--out` with that file's path.

## Supernet (`supernet.safetensors`)

- Spaces: {spaces}; {parameters:,} weights, shared by all subnets.
- Training: BigNAS-style (sandwich rule, in-place distillation) on {train_images:,} images.
  {validation_images:,} images of the training split (a tenth of each class) were held out.
{stages}
- Took {minutes:.0f} minutes on {threads} threads of a {device} (torch {torch}), shared with other
  work.

Remake:

```sh
{remake}
```

Subnets with shared weights, batch norms recalibrated on {calibration:,} training images. Search,
labels and predictor use the validation images only; the test images were used once, here.

{evaluation}

Remake: `mcu-nas supernet evaluate --data DIR` (`evaluation.csv`)

## How well shared weights rank subnets

{ranked} subnets of `{first_space}`, spread over the sizes, were also trained alone from random
weights, {rank_epochs} epochs each, which is far from converged. Kendall's tau between the two
accuracies is **{rank_tau:.2f}** (Spearman {rank_spearman:.2f}); with so few subnets it is a rough
figure.

{ranking}

Remake: `mcu-nas supernet rank --data DIR --subnets {ranked} --epochs {rank_epochs}` (`ranking.csv`)

## Labels (`labels.csv`)

{labels} subnets, each evaluated on the {validation_images:,} validation images: accuracies from
{lowest:.1%} to {highest:.1%}. Half are uniform samples of their space, half are graded from small
to large so that the ends of the Pareto front are covered. One label has a standard error of about
{label_error:.1f} points (binomial, at the mean accuracy), largely shared between subnets, since all
see the same images.

Remake: `mcu-nas supernet label --data DIR --subnets {per_space}`

## Predictor (`predictor.safetensors`)

An ensemble of {members} perceptrons on resolution, widths, depths, kernel sizes and expansion
ratios. Figures by {folds}-fold cross-validation over all labels: each label is predicted by an
ensemble that has not seen it. The shipped ensemble is fitted to all of them. Uniform samples are
all of middling size, so that they are harder to rank than all labels.
Weight decay and features were chosen among about a dozen variants on folds of these same labels,
so that the figures are slightly optimistic.

{predictor}

Remake: `mcu-nas predictor fit`

## Limits

Accuracies are of shared weights in float32: a subnet trained further gains some points, an int8
network may lose some. Labels come from one supernet, one seed and 32x32 images of ten classes.
"""


def render_model_card() -> str:
    """Markdown text of the card of the shipped files.

    Raises:
        InputError: if one of them is missing or damaged; the message says how to remake it.
    """
    from mcu_nas_moo.data.images import CALIBRATION_IMAGES
    from mcu_nas_moo.problem.evaluators.accuracy_fit import FOLDS
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    trained = TrainedSupernet.load()
    labels = Labels.load()
    predictor = AccuracyPredictor.load()
    evaluation = _read("evaluation.csv", "mcu-nas supernet evaluate --data DIR")
    ranking = _read("ranking.csv", "mcu-nas supernet rank --data DIR")
    training = trained.training
    stages = _stages(training)
    mean = labels.table.accuracy.mean()
    return TEMPLATE.format(
        spaces=", ".join(f"`{space.name}`" for space in trained.spaces),
        first_space=trained.spaces[0].name,
        parameters=sum(parameter.numel() for parameter in trained.supernet.parameters()),
        minutes=sum(stage["seconds"] for stage in stages) / 60,
        stages="\n".join(_stage(stage) for stage in stages),
        remake="\n".join(
            _command(stage["settings"], number) for number, stage in enumerate(stages, start=1)
        ),
        calibration=CALIBRATION_IMAGES,
        evaluation=_markdown(_percent(evaluation, "validation", "test")),
        ranked=len(ranking),
        rank_epochs=ranking.epochs.iloc[0],
        rank_tau=ranking.shared.corr(ranking.alone, method="kendall"),
        rank_spearman=ranking.shared.corr(ranking.alone, method="spearman"),
        ranking=_markdown(_percent(ranking.drop(columns="epochs"), "shared", "alone")),
        labels=len(labels),
        per_space=len(labels) // len(trained.spaces),
        lowest=labels.table.accuracy.min(),
        highest=labels.table.accuracy.max(),
        label_error=100 * (mean * (1 - mean) / training["validation_images"]) ** 0.5,
        members=len(predictor.second[0]),
        folds=FOLDS,
        predictor=_markdown(_predictor_table(predictor.details)),
        **{key: training[key] for key in ("train_images", "validation_images", "device", "torch")},
        threads=training["threads"],
    )


def _stages(training: dict[str, Any]) -> list[dict[str, Any]]:
    """The trainings that led to the weights, the first one first."""
    before = training.get("initial")
    return [*(_stages(before) if before else []), training]


def _stage(training: dict[str, Any]) -> str:
    settings = training["settings"]
    start = "continued from these weights" if "initial" in training else "from random weights"
    return (
        f"- {settings['epochs']} epochs {start}: SGD, batch {settings['batch_size']}, "
        f"peak learning rate {settings['learning_rate']}, seed {settings['seed']}."
    )


def _command(settings: dict[str, Any], number: int) -> str:
    start = f" \\\n  --initial stage{number - 1}/supernet.safetensors" if number > 1 else ""
    return (
        f"mcu-nas supernet train --data DIR --out stage{number} --epochs {settings['epochs']} "
        f"--batch-size {settings['batch_size']} \\\n  --learning-rate "
        f"{settings['learning_rate']} --seed {settings['seed']}{start}"
    )


def _read(name: str, remake: str) -> pd.DataFrame:
    path: Path = artifact_path(name, None, remake)
    return pd.read_csv(path)


def _percent(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    shown = table.assign(macs_m=table.macs_m.map("{:.2f}".format))
    return shown.assign(**{column: table[column].map("{:.1%}".format) for column in columns})


def _predictor_table(details: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "labels of": name,
                "number": row["labels"],
                "Kendall's tau": f"{row['kendall_tau']:.3f}",
                "RMSE in points": f"{100 * row['rmse']:.2f}",
            }
            for name, row in details.items()
        ]
    )


def _markdown(table: pd.DataFrame) -> str:
    head = [str(column) for column in table.columns]
    rows = [[str(cell) for cell in row] for row in table.itertuples(index=False)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
