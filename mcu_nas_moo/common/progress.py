"""Progress of long work: bars with an estimate on a terminal, a line now and then in a pipe."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

#: Seconds between two lines where the output is no terminal.
LINE_EVERY_S = 5.0


class Bars(Progress):
    """Bars that count something.

    Args:
        unit: what is counted; fields of the bars may stand in it, as ``{task.fields[best]}``.
        console: where they are shown; None for stdout.
        quiet: show nothing.
        transient: bars vanish at the end.
    """

    def __init__(
        self,
        unit: str = "",
        console: Console | None = None,
        *,
        quiet: bool = False,
        transient: bool = False,
    ) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit, markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=quiet,
            transient=transient,
        )
        self._unit = unit
        self._told = self._start = monotonic()
        self._done_before: float | None = None
        self._stopped = Event()

    def start(self) -> None:
        super().start()
        if not (self.disable or self.console.is_terminal):
            Thread(target=self._tell_now_and_then, daemon=True).start()

    def stop(self) -> None:
        super().stop()
        self._stopped.set()

    def _tell_now_and_then(self) -> None:
        """Lines also while nothing gets finished."""
        while not self._stopped.wait(LINE_EVERY_S / 5):
            if self.tasks:
                self._tell(self.tasks[-1].id)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        if self.disable or self.console.is_terminal:
            return
        done = sum(task.completed for task in self.tasks)
        if self._done_before is None:
            self._done_before = done
        now = monotonic()
        if now - self._told < LINE_EVERY_S:
            return
        self._told = now
        total = sum(task.total or 0 for task in self.tasks)
        task = next(task for task in self.tasks if task.id == task_id)
        line = f"{task.description}: " if len(self.tasks) == 1 else ""
        line += f"{done:,.0f} of {total:,.0f} {self._unit.format(task=task)}".strip()
        taken = now - self._start
        if done > self._done_before:
            left = taken * (total - done) / (done - self._done_before)
            line += f", about {timedelta(seconds=round(left))} left"
        self.console.print(line)
