"""Progress in a pipe, where there are no bars to look at."""

import io

import pytest
from rich.console import Console

from mcu_nas_moo.common import progress
from mcu_nas_moo.common.progress import Bars


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def lines(clock, **options):
    out = io.StringIO()
    unit = "runs, best {task.fields[best]}"
    with Bars(unit, Console(file=out, width=100), transient=True, **options) as bars:
        bar = bars.add_task("nsga2", total=100, completed=40, best="-")
        for done in range(41, 61):
            clock[0] += 1.0
            bars.update(bar, completed=done, best=f"0.{done}")
    return [line for line in out.getvalue().splitlines() if line.strip()]


def test_a_line_now_and_then_tells_count_and_estimate(clock):
    found = lines(clock)
    # 40 were done by an earlier start; one per second since, so that 55 remain after 45.
    assert found[0].startswith("nsga2: 45 of 100 runs, best 0.45, about 0:01:0")
    assert [line.split()[1] for line in found] == ["45", "50", "55", "60"]


def test_quiet_says_nothing(clock):
    assert lines(clock, quiet=True) == []


def test_several_bars_are_summed(clock):
    out = io.StringIO()
    with Bars("runs", Console(file=out, width=100), transient=True) as bars:
        one, two = (bars.add_task(name, total=10) for name in ("one", "two"))
        bars.advance(one, 4)
        clock[0] += 10
        bars.advance(two)
    assert "5 of 20 runs, about 0:02:30 left" in out.getvalue()


def test_names_are_no_markup():
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    with Bars("[/units]", console) as bars:
        bars.advance(bars.add_task("[/x] [red]evil", total=1))
    assert "[/x] [red]evil" in console.file.getvalue()
