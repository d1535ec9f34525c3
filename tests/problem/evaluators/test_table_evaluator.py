"""Tables of known networks, against the rows that they hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mcu_nas_moo import Gene, InputError, Metric, SearchSpace, TableEvaluator, Task
from mcu_nas_moo.testing import ToySpace

SPACE = SearchSpace(
    "s", [Gene("rate", (0.5, 1, 2)), Gene("window", ("hann", "none")), Gene("log", (False, True))]
)
ROWS = {
    (rate, window, log): (round(rate * 0.1, 3), 10 * rate + log)
    for rate, window, log in product((0.5, 1, 2), ("hann", "none"), (False, True))
}
TEXT = "rate,window,log,error,latency_ms\n" + "".join(
    f"{rate},{window},{str(log).lower()},{error},{latency}\n"
    for (rate, window, log), (error, latency) in ROWS.items()
)


@pytest.fixture
def written(tmp_path):
    def write(text=TEXT, space=SPACE, metrics=None):
        path = tmp_path / "table.csv"
        path.write_text(text)
        return TableEvaluator(path, space, metrics)

    return write


def test_every_network_has_the_figures_of_its_row(written):
    table = written()
    assert [metric.name for metric in table.metrics] == ["error", "latency_ms"]
    X = np.indices((3, 2, 2)).reshape(3, -1).T[::-1]
    told = table.evaluate(SPACE, X)
    for row, subnet in enumerate(SPACE.decode(X)):
        expected = ROWS[tuple(subnet.values.values())]
        assert (told["error"][row], told["latency_ms"][row]) == expected
    assert told["reason"] == [""] * 12


def test_the_order_of_rows_and_the_way_of_writing_do_not_matter(written, tmp_path):
    first, *rows = TEXT.splitlines()
    other = "\n".join([first, *(row.replace("1,", "1.0 ,", 1) for row in rows[::-1])])
    X = SPACE.sample(30, np.random.default_rng(0))
    before = written().evaluate(SPACE, X)
    after = written(other.replace("true", "True"), SPACE).evaluate(SPACE, X)
    np.testing.assert_array_equal(after["error"], before["error"])


def test_metrics_known_own_and_chosen(written):
    text = TEXT.replace("error,latency_ms", "memory_mb,loudness")
    memory, loudness = written(text).metrics
    assert (memory.unit, memory.heading, loudness.unit) == ("MB", "memory MB", "")
    louder = Metric("loudness", unit="dB", smaller_is_better=False)
    assert written(text, metrics=[louder]).metrics == (louder,)
    assert [metric.name for metric in written(metrics=["latency_ms"]).metrics] == ["latency_ms"]
    task = Task(SPACE, None, ("loudness",), evaluators=[written(text, metrics=[louder])])
    assert task.evaluate(np.array([[2, 0, 1]])).F.tolist() == [[-21.0]]


def test_networks_that_failed_are_nan_with_the_reason_of_their_row(written):
    text = TEXT.replace("error,latency_ms", "error,latency_ms,reason")
    text = text.replace("0.1,10\n", ",,no memory\n").replace("0.1,11\n", "NaN,11,diverged\n")
    told = written(text).evaluate(SPACE, np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0]]))
    assert told["reason"][:2] == ["no memory", "diverged"]
    assert np.isnan(told["error"][:2]).all()
    # Inside a task, a row with a reason has no figures at all.
    task = Task(SPACE, None, ("error", "latency"), evaluators=[written(text)])
    F, _ = task.evaluate(np.array([[1, 0, 1], [0, 0, 0]]))
    assert np.isnan(F[0]).all()
    assert F[1].tolist() == [0.05, 5.0]
    assert task.reason(np.array([1, 0, 1])) == "diverged"


def test_inactive_genes_are_empty_and_hidden_options_do_not_count(tmp_path):
    space = ToySpace(3)
    path = tmp_path / "toy.csv"
    lines = ["stage1_width,stage2_width,stage3_width,error"]
    for a, b, c in product((1, 2, 4, 8), repeat=3):
        if a > 1 or c == 1:
            lines.append(f"{a},{b},{c if a > 1 else ''},{a + 10 * b + 100 * c * (a > 1)}")
    path.write_text("\n".join(lines))
    told = TableEvaluator(path, space).evaluate(space, np.array([[0, 1, 3], [0, 1, 0], [1, 0, 3]]))
    assert told["error"].tolist() == [21, 21, 812]


def test_a_network_of_a_large_space_that_is_not_there_is_a_failure(tmp_path):
    space = SearchSpace("large", [Gene(f"g{n}", tuple(range(10))) for n in range(7)])
    path = tmp_path / "some.csv"
    path.write_text(",".join(gene.name for gene in space.genes) + ",error\n0,0,0,0,0,0,1,0.5\n")
    X = np.zeros((2, 7), dtype=int)
    X[0, -1] = 1
    told = TableEvaluator(path, space).evaluate(space, X)
    assert told["error"][0] == 0.5
    assert np.isnan(told["error"][1])
    assert told["reason"] == ["", "not in some.csv"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("rate", "speed"), "has no column 'rate', a gene of space 's'; it has"),
        (lambda t: t.replace("2,none,true", "3,none,true"), r"line 13: rate = 3 is not one of \(0"),
        (lambda t: t.replace("2,none,true", "2,nne,true"), "line 13: window = nne is not one of"),
        (lambda t: t.replace("2,none,true", "2,none,1"), r"line 13: log = 1 is not one of \(Fals"),
        (
            lambda t: t.replace("2,none,true", "2,,true"),
            "line 13: window is empty, but the gene is",
        ),
        (lambda t: t + "2,hann,true,1,1\n", "line 14 is the network of an earlier line, rate=2 w"),
        (
            lambda t: "".join(t.splitlines(keepends=True)[:-2]),
            "lacks 2 of the 12 networks of space 's', the first is rate=2 window=none log=False; "
            "add them, those that could not be evaluated with empty figures and a reason",
        ),
        (lambda t: t.replace("0.05,6.0", ",6.0"), "line 3 lacks a figure; say why in the column r"),
        (lambda t: t.replace("0.05,6.0", "inf,6"), "line 3: error is infinite; leave it empty an"),
        (lambda t: t.replace("latency_ms", "0"), "column '0': "),
        (lambda t: t.replace("error,latency_ms", "error,error"), "names of columns, each once"),
        (lambda t: "", "names of columns, each once"),
        (lambda t: "rate,window,log\n2,none,true\n", "has no column of numbers beside the genes$"),
        (
            lambda t: "rate,window,log,error\n2,none,true,low\n",
            "line 2: error = low is no number; correct it, or leave it empty and say why in the",
        ),
        (lambda t: t.replace("0.05,6.0", "n/a,6"), "line 3: error = n/a is no number; correct it"),
        (
            lambda t: t.replace("0.05,6.0", "0.05,n/a").replace("latency_ms", "memory_kb"),
            "line 3: memory_kb = n/a is no number; correct it",
        ),
        (lambda t: t.replace("latency_ms", "Top-1 error"), "column 'Top-1 error': .* needs a name"),
    ],
)
def test_a_wrong_table_is_told_with_its_line(written, change, message):
    with pytest.raises(InputError, match=message) as refused:
        written(change(TEXT))
    assert "table.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["sram_kib"], r"table\.csv has no column 'sram_kib'; it has rate, window, log, error"),
        ([Metric("memory_mb")], "has no column 'memory_mb'"),
        ([], "has no column of numbers beside the genes"),
    ],
)
def test_columns_that_are_asked_for_and_not_there(written, metrics, message):
    with pytest.raises(InputError, match=message):
        written(metrics=metrics)


def test_columns_of_texts_are_not_looked_at(written):
    first, *rows = TEXT.splitlines()
    noted = [f"{row},{'seen' if number else 12}" for number, row in enumerate(rows)]
    table = written("\n".join([f"{first},note", *noted]))
    assert [metric.name for metric in table.metrics] == ["error", "latency_ms"]


def test_texts_where_numbers_are_asked_for(written):
    with pytest.raises(InputError, match="line 2: error = low is no number"):
        written(TEXT.replace("0.05,5.0", "low,5"), metrics=["error"])


def test_another_space_is_refused(written):
    with pytest.raises(InputError, match=r"table\.csv was read for another space than 'toy'"):
        written().evaluate(ToySpace(), np.zeros((1, 6), dtype=int))


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=f"no table {path}; give a CSV or Parquet file"):
            TableEvaluator(str(path), SPACE)


def test_the_fingerprint_is_that_of_the_file(written, tmp_path):
    table = written()
    before = table.fingerprint
    assert written().fingerprint == before
    assert written(TEXT + "\n").fingerprint != before
    assert table.name == "table.csv"


def test_parquet_is_read_as_csv_is(written, tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        [(*genes, *figures) for genes, figures in ROWS.items()],
        columns=["rate", "window", "log", "error", "latency_ms"],
    )
    frame.to_parquet(tmp_path / "t.parquet")
    X = SPACE.sample(20, np.random.default_rng(0))
    told = TableEvaluator(tmp_path / "t.parquet", SPACE).evaluate(SPACE, X)
    np.testing.assert_array_equal(told["error"], written().evaluate(SPACE, X)["error"])
