"""The report as one HTML file that needs no network."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.benchmark.analysis.overall import overall_cautions
from mcu_nas_moo.benchmark.report.contents import RANKS_NOTE
from mcu_nas_moo.common.pages import fill, packed
from mcu_nas_moo.common.text import listed, script_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcu_nas_moo.benchmark.analysis.problem_analysis import Analysis
    from mcu_nas_moo.benchmark.report.problem_report import ProblemReport
    from mcu_nas_moo.benchmark.report.table import Table
    from mcu_nas_moo.benchmark.results.problem_results import ProblemResults
    from mcu_nas_moo.contracts.metrics import Metric


#: Most warnings that the head of the page shows; the others are folded.
WARNINGS = 10


@dataclass(frozen=True, eq=False)
class Page:
    """What stands on the page.

    Attributes:
        shown: the problems, at least one.
        overview: data of the figures about all problems.
        count_tables: tables about all problems, by number of evaluations.
        overview_tables: tables about all problems that hold for all numbers.
        warnings: what was left out or is odd about the files, a line each; may be many.
        command: how the report was made; may be empty.
        records: what suites kept of themselves (``suite.json``); may be empty.
    """

    shown: Sequence[ProblemReport]
    overview: Mapping[str, Any]
    count_tables: Mapping[int, Sequence[Table]]
    overview_tables: Sequence[Table]
    warnings: Sequence[str]
    command: str
    records: Sequence[Mapping[str, Any]]

    @cached_property
    def analyses(self) -> list[Analysis]:
        """One per problem."""
        return [one.analysis for one in self.shown]


def render(page: Page) -> str:
    """The file's text. All that a user named is escaped."""
    cautions = overall_cautions(page.analyses)
    packages = packed("data-overview", script_json(page.overview))
    packages += packed("tables-settings", _settings(page.analyses))
    for number, one in enumerate(page.shown):
        # What the head says of all problems is not repeated at each.
        own = [sentence for sentence in one.analysis.cautions if sentence not in cautions]
        packages += packed(f"data-{number}", script_json({**one.data, "cautions": own}))
        packages += packed(f"tables-{number}", _problem_tables(one.tables))
    parts = {
        "title": escape(_title(page)),
        "lead": escape(_lead(page)),
        "facts": _facts(page),
        "cautions": _cautions(cautions, page.warnings),
        "problems": _options(
            (str(number), one.results.title) for number, one in enumerate(page.analyses)
        ),
        "counts": _options(
            ((str(count), f"{count:,} evaluations") for count in page.count_tables),
            chosen=str(_first_count(page)),
        ),
        "summary": "".join(_counted(count, own) for count, own in page.count_tables.items()),
        "ranks_caveat": escape(RANKS_NOTE),
        "overview_tables": "".join(table.to_html() for table in page.overview_tables),
        "tasks": _tasks([one.results for one in page.analyses]),
        "reproduce": _reproduce(page.command, page.records),
        "data": packages,
    }
    return fill("mcu_nas_moo.benchmark.report", "page", parts)


def _first_count(page: Page) -> int:
    """The largest number of evaluations at which most problems are compared."""
    compared = [one.compared_at for one in page.analyses]
    return max(set(compared), key=lambda count: (compared.count(count), count))


def _algorithms(page: Page) -> list[str]:
    return list(page.overview["looks"])


def _title(page: Page) -> str:
    names = [str(record["name"]) for record in page.records if record.get("name")]
    if names:
        return f"Comparison of optimisers: {', '.join(names)}"
    return f"Comparison of {_count(len(_algorithms(page)), 'optimiser')}"


def _lead(page: Page) -> str:
    described = [str(r["description"]) for r in page.records if r.get("description")]
    tasks = [one.results.task for one in page.analyses]
    of_networks = [task for task in tasks if task.profile is not None]
    others = dict.fromkeys(task.space.name for task in tasks if task.profile is None)
    spaces = dict.fromkeys(task.space.name for task in of_networks)
    profiles = dict.fromkeys(task.device_name for task in of_networks)
    texts = []
    if of_networks:
        texts.append(
            "Constrained multi-objective search for networks that fit a microcontroller: "
            f"{listed(spaces)} on {', '.join(profiles)}."
        )
    if others:
        texts.append(f"Multi-objective optimisation over discrete options: {', '.join(others)}.")
    what = "networks" if not others else "solutions"
    texts.append(
        f"Every algorithm gets the same number of evaluations; all feasible {what} that a run "
        "evaluated count. The hypervolume ratio is 1 if a run finds the whole reference front."
    )
    return " ".join([*described, *texts])


def _facts(page: Page) -> str:
    runs = sum(len(one.results.trajectories) for one in page.analyses)
    seeds = {len(one.results.seeds) for one in page.analyses}
    between = str(min(seeds)) if len(seeds) == 1 else f"{min(seeds)}–{max(seeds)}"
    kinds = [one.results.reference.kind for one in page.analyses]
    shares = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    facts = {
        "algorithms": str(len(_algorithms(page))),
        "problems": str(len(page.analyses)),
        "seeds": between,
        "runs": f"{runs:,}",
        "reference fronts": ", ".join(shares),
        "made on": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    return "".join(
        f"<li><b>{escape(value)}</b>{escape(name)}</li>" for name, value in facts.items()
    )


def _cautions(cautions: Sequence[str], warnings: Sequence[str]) -> str:
    if not cautions and not warnings:
        return ""
    # Who folds away a single line saves no space.
    folded = warnings[WARNINGS:] if len(warnings) > WARNINGS + 1 else ()
    shown = _items([*cautions, *warnings[: len(warnings) - len(folded)]])
    if folded:
        shown += (
            f"<details><summary>{_count(len(folded), 'more warning')}</summary>"
            f"{_items(folded)}</details>"
        )
    return f'<div class="caution" role="note">{shown}</div>'


def _items(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"


def _options(entries: Any, chosen: str | None = None) -> str:
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>'
        f"{escape(text)}</option>"
        for value, text in entries
    )


def _counted(count: int, tables: Sequence[Table]) -> str:
    return f'<div data-count="{count}">{"".join(table.to_html() for table in tables)}</div>'


def _problem_tables(tables: Mapping[int | None, Sequence[Table]]) -> str:
    return "".join(
        "".join(table.to_html() for table in own) if count is None else _counted(count, own)
        for count, own in tables.items()
    )


def _settings(analyses: Sequence[Analysis]) -> str:
    """Settings of each algorithm, each different one once, with where it holds."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in analyses:
        for run in one.results.trajectories:
            facts = {
                **run.metadata.get("settings", {}),
                **run.metadata.get("hyperparameters", {}),
                "fingerprint of the code": run.metadata.get("optimiser", "not recorded"),
            }
            variants = found.setdefault(run.algorithm, {})
            place = f"{one.results.title}, {run.budget:,} evaluations"
            known = variants.setdefault(json.dumps(facts, sort_keys=True, default=str), [])
            if place not in known:
                known.append(place)
    parts = []
    for name, variants in found.items():
        rows = []
        for text, places in variants.items():
            where = places[0] if len(places) == 1 else f"{len(places)} studies"
            title = escape("\n".join(places))
            rows.append(
                f'<tr><th scope="row" class="left" title="{title}">{escape(where)}</th>'
                f"<td>{_values(json.loads(text))}</td></tr>"
            )
        parts.append(
            f"<details><summary>{escape(name)}</summary>"
            '<div class="scroll"><table class="plain">'
            f"<tbody>{''.join(rows)}</tbody></table></div></details>"
        )
    return "".join(parts) + _versions(analyses)


def _values(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{escape(str(k))} <code>{escape(str(v))}</code>" for k, v in facts.items())


def _versions(analyses: Sequence[Analysis]) -> str:
    found: dict[str, int] = {}
    for one in analyses:
        for run in one.results.trajectories:
            versions = run.metadata.get("versions")
            if versions:
                text = json.dumps(versions, sort_keys=True)
                found[text] = found.get(text, 0) + 1
    rows = "".join(
        f'<tr><th scope="row" class="left">{_count(runs, "run")}</th>'
        f"<td>{_values(json.loads(text))}</td></tr>"
        for text, runs in found.items()
    )
    return (
        "<details><summary>Versions of libraries</summary>"
        f'<div class="scroll"><table class="plain"><tbody>{rows}</tbody></table></div></details>'
    )


def _tasks(problems: Sequence[ProblemResults]) -> str:
    rows = []
    for results in problems:
        task, reference = results.task, results.reference
        limits = ", ".join(_limit(task.table[name], of) for name, of in task.limits.items())
        origin = _values(reference.origin) if reference.origin else "not recorded"
        rows.append(
            f'<tr><th scope="row" class="left">{escape(results.title)}</th>'
            f"<td>{escape(limits)}</td><td><code>{escape(task.fingerprint)}</code></td>"
            f"<td>{escape(reference.kind)}, {len(reference.F):,} points, of task "
            f"<code>{escape(reference.problem.fingerprint)}</code></td><td>{origin}</td></tr>"
        )
    heads = ("problem", "limits", "fingerprint of the task", "reference", "origin of the reference")
    head = "".join(f'<th scope="col" class="left">{text}</th>' for text in heads)
    return (
        '<div class="scroll"><table class="plain">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _limit(metric: Metric, limit: float) -> str:
    return f"{metric.name} {'≤' if metric.smaller_is_better else '≥'} {limit:g}"


def _reproduce(command: str, records: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for record in records:
        if record.get("command"):
            parts.append(f"<p>The runs were made by</p><pre>{escape(str(record['command']))}</pre>")
        if record.get("suite_file"):
            text = escape(str(record["suite_file"]))
            parts.append(f"<details><summary>Suite file</summary><pre>{text}</pre></details>")
        parts += [
            f"<p>{name.capitalize()}: {_values(record[name])}.</p>"
            for name in ("machine", "versions")
            if record.get(name)
        ]
    if command:
        parts.append(f"<p>This report was made by</p><pre>{escape(command)}</pre>")
    parts.append(
        "<p>Seeds count from 0. The same command with the same versions makes the same runs, "
        "whatever the number of processes; times differ.</p>"
    )
    return "".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
