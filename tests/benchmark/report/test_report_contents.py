from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_results import HOSTILE, problem

from mcu_nas_moo.benchmark.analysis.problem_analysis import analyse
from mcu_nas_moo.benchmark.analysis.ranks import Ranks
from mcu_nas_moo.benchmark.analysis.statistics import AHEAD, BEHIND, NOT_SHOWN, mann_whitneys
from mcu_nas_moo.benchmark.report import contents


def column(table, heading):
    place = table.headings.index(heading)
    return {row[0].text: row[place] for row in table.rows}


def samples(analysis, count):
    at = analysis.scores[analysis.scores["evaluations"] == count]
    return {name: own["hypervolume_ratio"].to_numpy() for name, own in at.groupby("algorithm")}


@pytest.mark.parametrize("count", [30, 120])
def test_summary_holds_medians_and_marks(analysis, count):
    table = contents.summary_table([analysis], count, {"good": 1.0, "weak": 3.0, HOSTILE: 2.0})
    assert [row[0].text for row in table.rows] == ["good", HOSTILE, "weak"]
    ratios = column(table, contents.short_title(analysis))
    truth = {name: np.median(own) for name, own in samples(analysis, count).items()}
    best = max(truth, key=truth.get)
    for name, cell in ratios.items():
        assert cell.text == f"{truth[name]:.4f}"
        assert cell.best == (truth[name] == truth[best])
        found = contents.comparisons(analysis, count).get((name, best))
        assert cell.close == (name != best and found.verdict == NOT_SHOWN)


def test_comparison_is_seen_from_either_side(analysis):
    own = samples(analysis, 120)
    one = contents.comparisons(analysis, 120).get(("weak", "good"))
    two = contents.comparisons(analysis, 120).get(("good", "weak"))
    assert one.a12 == pytest.approx(mann_whitneys([(own["weak"], own["good"])])[0].a12)
    assert two.a12 == pytest.approx(1 - one.a12)
    assert one.difference == pytest.approx(np.median(own["weak"]) - np.median(own["good"]))
    assert (one.low, one.high) == (-two.high, -two.low)
    assert one.low <= one.difference <= one.high
    assert {one.verdict, two.verdict} in ({AHEAD, BEHIND}, {NOT_SHOWN})
    assert contents.comparisons(analysis, 120).get(("good", "nobody")) is None
    assert contents.comparisons(analysis, 7).get(("good", "weak")) is None


def test_comparison_table_equals_the_analysis(analysis):
    table = contents.comparison_table(analysis, 120)
    medians = analysis.medians[analysis.medians["evaluations"] == 120].set_index("algorithm")
    best = table.rows[0][0].text
    assert column(table, "against the best")[best].text == "best"
    for name, cell in column(table, "95 % interval").items():
        own = medians.loc[name]
        assert cell.text == f"[{own['low']:.5f}, {own['high']:.5f}]"
        assert column(table, "median")[name].text == f"{own['median']:.5f}"
        assert column(table, "seeds")[name].text == "5"
    weak = contents.comparisons(analysis, 120).get(("weak", best))
    assert column(table, "A12")["weak"].text == f"{weak.a12:.2f}"
    assert column(table, "against the best")["weak"].text == weak.verdict


def test_pair_table_is_symmetric_about_no_effect(analysis):
    own = samples(analysis, 120)
    table = contents.pair_table(analysis, 120)
    names = table.headings[1:]
    for row in table.rows:
        for name, cell in zip(names, row[1:], strict=True):
            if name == row[0].text:
                assert cell.text == ""
                continue
            one, two = own[row[0].text], own[name]
            wins = (one[:, None] > two).mean() + 0.5 * (one[:, None] == two).mean()
            assert cell.text == f"{wins:.2f}"
            assert cell.best == (column(table, row[0].text)[name].best)


def test_other_indicators_and_targets(analysis):
    table = contents.indicator_table(analysis, 120)
    at = analysis.scores[analysis.scores["evaluations"] == 120]
    truth = at.groupby("algorithm")["igd_plus"].median()
    for name, cell in column(table, "IGD+").items():
        assert float(cell.text) == pytest.approx(truth[name], rel=1e-2)
        assert cell.best == (truth[name] == truth.min())
    targets = contents.target_table(analysis)
    first = analysis.targets[analysis.targets["target"] == 0.9].groupby("algorithm")["evaluations"]
    for name, cell in column(targets, "90 %").items():
        values = np.sort(first.get_group(name).to_numpy())
        middle = "never" if np.isinf(values[2]) else f"{values[2]:,.0f}"
        assert cell.text == f"{middle} ({np.isfinite(values).mean():.0%})"


def test_algorithms_that_lack_in_a_problem():
    two = [
        analyse(problem(("good", "weak"), seeds=2)),
        analyse(problem(("good", "other"), seeds=2, profile="second-board")),
    ]
    table = contents.summary_table(two, 120, {"good": 1.0})
    texts = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert texts["weak"][0] == texts["weak"][2] == contents.MISSING
    assert texts["other"][1] == contents.MISSING
    assert contents.MISSING not in texts["good"]


def test_one_algorithm_and_one_seed():
    analysis = analyse(problem(("good",), seeds=1))
    row = contents.comparison_table(analysis, 120).rows[0]
    assert [cell.text for cell in row[4:]] == ["best", *[contents.MISSING] * 4]
    table = contents.sensitivity_table([analysis], 120)
    assert table.rows[0][-1].text == contents.MISSING


def test_figures_that_do_not_exist_are_not_invented(analysis):
    scores = analysis.scores.copy()
    scores.loc[scores["algorithm"] == "weak", ["igd_plus", "epsilon"]] = np.nan
    scores.loc[scores["algorithm"] == "weak", "first_feasible"] = np.inf
    table = contents.indicator_table(replace(analysis, scores=scores), 120)
    assert column(table, "IGD+")["weak"].text == contents.MISSING
    assert column(table, "first feasible")["weak"].text == "never"


def test_rank_table():
    ranks = [
        Ranks(30, ("p",), ("a", "b"), (1.25, 1.75), 0.9, 0.04, (), ()),
        Ranks(120, ("p",), ("b", "a"), (1.0, 2.0), 0.9, float("nan"), (), ()),
    ]
    table = contents.rank_table(ranks)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["b", "1.75", "1.00"],
        ["a", "1.25", "2.00"],
    ]
    assert [cell.best for cell in table.rows[0]] == [False, False, True]
    assert contents.MISSING in table.note
