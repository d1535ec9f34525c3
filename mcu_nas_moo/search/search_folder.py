"""The folder that a search writes: ``search.json``, ``subnets.csv``, ``subnets/`` and pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import model_validator

from mcu_nas_moo.common import csv_files
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_text_atomically
from mcu_nas_moo.common.json_files import read_json, write_json
from mcu_nas_moo.common.naming import file_name, unknown_name
from mcu_nas_moo.common.yaml_files import Facts, is_path, validate
from mcu_nas_moo.contracts.metrics import METRICS, objectives_in
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.problem.facts import ProblemFacts, difference
from mcu_nas_moo.search.front import front_of, nothing_feasible, on_front
from mcu_nas_moo.search.subnets import Subnets, figures_in, space_of, subnet_name
from mcu_nas_moo.spaces.subnet_file import write_subnet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcu_nas_moo.benchmark.references.reference import Reference
    from mcu_nas_moo.problem.task import Task

#: Where searches lie if nothing else is said.
SEARCHES = Path("search")
#: Columns of ``subnets.csv`` before the metrics and the genes.
_FIRST = ("name", "trial", "feasible", "on_front")


class Start(Facts):
    """One start of the search, with the number of finished trials before it."""

    algorithm: str
    seed: int
    from_trial: int
    date: str
    optuna: str


class SearchRecord(Facts):
    """``search.json``: what a folder holds the results of.

    Args:
        problem: that was searched.
        study: name of the Optuna study.
        trials: finished ones.
        subnets: distinct ones, the lines of the table.
        starts: algorithm and seed of each start of the search.
    """

    problem: ProblemFacts
    study: str
    trials: int
    subnets: int
    starts: tuple[Start, ...]

    @model_validator(mode="after")
    def _limits_and_objectives(self) -> SearchRecord:
        limits = self.problem.limits
        table = self.problem.table
        for name, limit in limits.items():
            if name not in table or not (limit > 0 or (limit == 0 and name not in METRICS)):
                raise InputError(f"problem.limits: {name} should be a metric and above 0")
        for name in self.problem.objectives:
            if name not in objectives_in(table):
                raise unknown_name("objective", name, objectives_in(table))
        return self


class SearchFolder:
    """Where the files of one search lie.

    Attributes:
        record: what was searched, see :class:`SearchRecord`.
        journal: the Optuna study, if it was not put elsewhere.
        table: every distinct subnet.
        subnets: folder of a subnet file for each member of the front.
        page, picture: the front, for a browser and for documents.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.record, self.journal = root / "search.json", root / "study.journal"
        self.table, self.subnets = root / "subnets.csv", root / "subnets"
        self.page, self.picture = root / "pareto_front.html", root / "pareto_front.png"

    def check(self, problem: ProblemFacts) -> None:
        """Refuse a folder that holds anything but a search for ``problem``.

        Raises:
            InputError: if it does.
        """
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"{self.root} is a file; choose another --out")
        if self.record.is_file():
            other = difference(self.read_record().problem, problem)
            if other is not None:
                raise InputError(
                    f"{self.root} holds another search, which differs in {other}; "
                    "choose another --out"
                )
        elif self.root.is_dir() and not self.journal.is_file() and any(self.root.iterdir()):
            raise InputError(f"{self.root} holds files of something else; choose another --out")

    def read_record(self) -> SearchRecord:
        """What the folder holds the results of.

        Raises:
            InputError: if it holds none, or the record is damaged.
        """
        if not self.record.is_file():
            raise InputError(
                f"{self.root} holds no results of a search; `mcu-nas search --out {self.root}` "
                "makes some, and --from names another folder"
            )
        return validate(SearchRecord, read_json(self.record), str(self.record))

    def read(self) -> Subnets:
        """Every subnet of the search, by its table.

        Raises:
            InputError: on one line, if the folder holds no results or they are damaged.
        """
        record = self.read_record()
        problem = record.problem
        remedy = "the `mcu-nas search` that made it writes it again"
        columns, table = csv_files.read_table(self.table, remedy)
        rows = list(table.values())
        if len(rows) != record.subnets:
            raise InputError(
                f"{self.table} has {len(rows)} subnets and not {record.subnets}; {remedy}"
            )
        space = space_of(problem)
        try:
            figures = figures_in(columns, problem)
        except InputError as error:
            raise InputError(f"{self.table}: damaged ({error}); {remedy}") from None
        genes = []
        for line, row in table.items():
            try:
                own = {g.name: g.parse(row[g.name]) for g in space.genes if row[g.name] != ""}
                space.encode(own)
                int(row["trial"])
                if not (row["name"] and np.isfinite([float(row[name]) for name in figures]).all()):
                    raise InputError("a name or figure is missing")
            except (KeyError, TypeError, ValueError) as error:
                problem_text = f"no column {error}" if isinstance(error, KeyError) else error
                raise InputError(
                    f"{self.table}, line {line}: damaged ({problem_text}); {remedy}"
                ) from None
            genes.append(own)
        if problem.problem is not None and genes:  # which may say more of a choice
            X = np.concatenate([space.encode(own) for own in genes])
            genes = [dict(one.values) for one in space.decode(X)]
        return Subnets(
            problem,
            tuple(row["name"] for row in rows),
            tuple(genes),
            {name: np.array([float(row[name]) for row in rows]) for name in figures},
            tuple(int(row["trial"]) for row in rows),
        )

    def write(
        self,
        task: Task,
        subnets: Subnets,
        record: SearchRecord,
        reference: Reference | None = None,
    ) -> Subnets:
        """Write all results; those of an earlier state are replaced.

        Args:
            task: that evaluated the subnets; for the figures of the reference.
            subnets: every distinct one.
            record: for ``search.json``.
            reference: front to show beside the one found.

        Returns:
            the front, in the order of tables.

        Raises:
            InputError: if no subnet is feasible. Table and record are written nevertheless.
        """
        write_text_atomically(
            self.table, table_text(subnets, [gene.name for gene in task.space.genes])
        )
        facts = record.model_dump(mode="json")
        if not subnets.feasible.any():
            write_json(self.record, facts, indent=2)
            raise InputError(nothing_feasible(subnets))
        front = front_of(subnets)
        self._write_files(front)
        from mcu_nas_moo.search.front_page import write_front_page
        from mcu_nas_moo.search.front_picture import draw_front

        write_front_page(self.page, task, subnets, front, reference)
        draw_front(self.picture, task, subnets, front, reference)
        # The record last: a folder with a record is complete.
        write_json(self.record, facts, indent=2)
        return front

    def _write_files(self, front: Subnets) -> None:
        for row, name in enumerate(front.names):
            write_subnet(front.file(row), self.subnets / f"{file_name(name)}.yaml")
        # Only files that an earlier start wrote: others in the folder are the user's.
        ours = re.compile(re.escape(subnet_name(front.problem, "t")) + r"\d+")
        for path in self.subnets.glob("*.yaml"):
            if ours.fullmatch(path.stem) and path.stem not in front.names:
                path.unlink()


def table_text(subnets: Subnets, genes: Sequence[str]) -> str:
    """``subnets.csv``: a line per subnet, by trial; ``genes`` without effect are left empty."""
    columns: list[Sequence[Any]] = [
        subnets.names,
        subnets.trials,
        *(np.where(m, "true", "false").tolist() for m in (subnets.feasible, on_front(subnets))),
        *(values.tolist() for values in subnets.metrics.values()),
        *([own.get(gene, "") for own in subnets.genes] for gene in genes),
    ]
    return csv_files.table_text([*_FIRST, *subnets.metrics, *genes], zip(*columns, strict=True))


def find_search(
    root: Path = SEARCHES,
    profile: str | None = None,
    space: str | None = None,
    objectives: Sequence[str] | None = None,
    problem: str | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> SearchFolder:
    """The search in ``root`` that was written last, of all or of the given problem.

    Args:
        root: holds a folder for each search.
        profile: name, or path of its file.
        space: name.
        objectives: names.
        problem: name of a problem without networks.
        say: is told of damaged searches that are passed over in looking for a given problem.

    Raises:
        InputError: if there is none; or, if any problem will do, the last search is damaged.
    """
    options = {
        "profile": profile,
        "space": space,
        "objectives": ",".join(objectives or ()),
        "problem": problem,
    }
    given = {name: value for name, value in options.items() if value}
    wanted = dict(given)
    if profile and is_path(profile):
        wanted["profile"] = load_profile(profile).name
    records = sorted(root.glob("*/search.json"), key=lambda path: path.stat().st_mtime)
    for path in reversed(records):
        folder = SearchFolder(path.parent)
        try:
            searched = folder.read_record().problem
        except ValueError as error:
            if not wanted:
                raise
            say(f"passed over {folder.root}: {error}")
            continue
        facts = {
            **searched.plain(),
            "objectives": ",".join(searched.objectives),
            "problem": searched.problem_name,
        }
        if wanted.items() <= facts.items():
            return folder
    text = "".join(f" --{name} {value}" for name, value in given.items())
    raise InputError(
        f"{root}/ holds no results of such a search; run `mcu-nas search{text}` first, or name "
        "a folder with --from"
    )
