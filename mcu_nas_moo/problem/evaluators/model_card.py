"""The model card: what the shipped weights, labels and predictor are, and how good they are."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd

from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.evaluators.perceptrons import FOLDS
from mcu_nas_moo.training.supernet.labels import Labels
from mcu_nas_moo.training.supernet.shipped_files import artifact_path


def render_model_card() -> str:
    """Markdown text of the card of the shipped files.

    Raises:
        InputError: if one of them is missing or damaged; the message says how to remake it.
    """
    from mcu_nas_moo.data.images import CALIBRATION_IMAGES
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    trained = TrainedSupernet.load()
    labels = Labels.load()
    predictor = AccuracyPredictor.load()
    evaluation, ranking = (
        pd.read_csv(artifact_path(f"{table}.csv", None, f"mcu-nas supernet {command} --data DIR"))
        for table, command in (("evaluation", "evaluate"), ("ranking", "rank"))
    )
    training = trained.training
    stages = _stages(training)
    mean = labels.table.accuracy.mean()
    template = files("mcu_nas_moo.problem.evaluators") / "model_card_template.md"
    return template.read_text(encoding="utf-8").format(
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
        **{key: training[key] for key in ("train_images", "validation_images", "threads")},
        **{key: training[key] for key in ("device", "torch")},
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
            if isinstance(row, dict)
        ]
    )


def _markdown(table: pd.DataFrame) -> str:
    head = [str(column) for column in table.columns]
    rows = [[str(cell) for cell in row] for row in table.itertuples(index=False)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
