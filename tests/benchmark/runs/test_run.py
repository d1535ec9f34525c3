from __future__ import annotations

import numpy as np
import pytest
from toy_task import ToyTask

from mcu_nas_moo.benchmark.runs import run
from mcu_nas_moo.benchmark.runs.run import run_optimiser


class Scripted:
    """Proposes what a test wrote down, then nothing; remembers what it is told."""

    def __init__(self, *batches):
        self.batches = list(batches)
        self.told = []

    def ask(self):
        return self.batches.pop(0) if self.batches else []

    def tell(self, X, F, G):
        self.told.append(X.copy())
        X[:], F[:], G[:] = 3, np.nan, np.nan


@pytest.fixture
def scripted(monkeypatch, exact):
    """Runs a script under the name ``mine``."""

    def go(*batches, budget=10):
        optimiser = Scripted(*batches)
        monkeypatch.setattr(run, "check_hyperparameters", lambda name, given: {})
        monkeypatch.setattr(run, "load_optimiser", lambda name: lambda setting: optimiser)
        monkeypatch.setattr(run, "optimiser_fingerprint", lambda name: "hash")
        return run_optimiser("mine", ToyTask(), exact, budget, seed=0), optimiser

    return go


ROWS = np.arange(24).reshape(4, 6) % 4


@pytest.mark.parametrize(
    "batch",
    [
        ROWS,
        ROWS.tolist(),
        ROWS.astype(np.float32),
        ROWS.astype(np.uint8),
        ROWS.astype(object),
        [tuple(row) for row in ROWS.astype(float)],
    ],
)
def test_whole_numbers_of_any_type_are_taken(scripted, batch):
    history, optimiser = scripted(batch)
    assert history.X.dtype == np.int64
    assert history.X.tolist() == ROWS.tolist()
    assert optimiser.told[0].dtype == np.int64


def test_proposals_beyond_the_budget_are_cut_and_the_rest_is_told(scripted):
    history, optimiser = scripted(ROWS[:2], ROWS, budget=5)
    assert history.X.tolist() == np.concatenate([ROWS[:2], ROWS[:3]]).tolist()
    assert [told.tolist() for told in optimiser.told] == [ROWS[:2].tolist(), ROWS[:3].tolist()]


def test_rows_beyond_the_budget_are_looked_at_as_well(scripted):
    with pytest.raises(ValueError, match="proposed 77 in row 4 for gene"):
        scripted(ROWS[:2], np.concatenate([ROWS, np.full((2, 6), 77)]), budget=5)


def test_a_batch_beyond_the_whole_budget_is_noted(scripted, monkeypatch):
    monkeypatch.setattr(run, "is_own", lambda name: True)
    history, _ = scripted(np.repeat(ROWS, 500, axis=0), budget=60)
    assert history.metadata["note"] == "proposed 2,000 at once, budget 60: the first 60 were taken"
    history, _ = scripted(ROWS, ROWS, budget=5)  # a last generation that is too large is usual
    assert "note" not in history.metadata


def test_what_is_told_may_be_changed(scripted):
    given = ROWS.copy()
    history, _ = scripted(given)
    F, G = ToyTask().evaluate(ROWS)
    assert given.tolist() == history.X.tolist() == ROWS.tolist()
    assert (history.F == F).all()
    assert (history.G == G).all()


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 6)), np.zeros(0)])
def test_no_rows_end_a_run_but_do_not_begin_one(scripted, nothing):
    history, _ = scripted(ROWS, nothing, ROWS)
    assert len(history.X) == 4
    with pytest.raises(ValueError, match="mine proposed nothing to evaluate"):
        scripted(nothing)


def with_value(value, dtype=float):
    X = ROWS.astype(dtype)
    X[2, 4] = value
    return X


@pytest.mark.parametrize(
    ("batch", "match"),
    [
        (with_value(4, int), r"proposed 4 in row 2 for gene 'stage5_width'; .* from 0 to 3$"),
        (with_value(-1, int), "proposed -1 in row 2 for gene 'stage5_width'"),
        (with_value(7.0), "proposed 7.0 in row 2 .* whole numbers from 0 to 3$"),
        (with_value(1e30), r"proposed 1e\+30 in row 2 "),
        (with_value(2**63, np.uint64), "proposed 9223372036854775808 in row 2 "),
        (with_value(np.nan), "proposed nan in row 2 for gene 'stage5_width'; .* to 3$"),
        (with_value(np.inf), "proposed inf in row 2 "),
        (with_value(1.5), r"proposed 1.5 in row 2 .*operators for real numbers do not serve"),
        (
            ROWS[:, :5],
            r"proposed an array of shape \(4, 5\); it must be an array of shape \(n, 6\)",
        ),
        (ROWS[0], r"proposed an array of shape \(6,\)"),
        (3, r"proposed an array of shape \(\)"),
        (None, r"proposed None; it must be an array of shape \(n, 6\)"),
        ([[1, 2], [3]], "proposed what is no array of numbers"),
        ([["a"] * 6], "proposed what is no array of numbers: could not convert string"),
    ],
)
def test_other_proposals_are_refused_by_name(scripted, batch, match):
    with pytest.raises(ValueError, match=r"^mine, asked after 4 evaluations, " + match):
        scripted(ROWS, batch, budget=100)
