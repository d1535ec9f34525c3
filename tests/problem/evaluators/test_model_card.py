"""What the package ships fits together."""

from mcu_nas_moo.problem.evaluators.accuracy_fit import labelled_features, quality
from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
from mcu_nas_moo.problem.evaluators.model_card import render_model_card
from mcu_nas_moo.training.supernet.labels import Labels
from mcu_nas_moo.training.supernet.shipped_files import FOLDER
from mcu_nas_moo.training.supernet.weights import TrainedSupernet


def test_model_card_is_up_to_date():
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card == render_model_card(), "remake it: mcu-nas model-card --out <its path>"


def test_predictor_labels_and_weights_belong_together():
    labels, trained = Labels.load(), TrainedSupernet.load()
    assert len(labels) >= 1000
    assert set(labels.table.supernet) == {trained.fingerprint}
    inputs, targets, _ = labelled_features(trained.spaces, labels)
    fitted = AccuracyPredictor.load()
    # It has seen these labels, so it must do at least as well as on those it had not.
    seen = quality(fitted.answer(inputs).accuracy, targets)
    assert seen["kendall_tau"] > fitted.details["all"]["kendall_tau"] > 0.85
