"""How both programs end: exit codes, and one line on stderr where something went wrong.

Exit codes: 0 good; 1 a verdict (does not fit, not equal); 2 bad input; 3 a fault of the program;
130 interrupted, by SIGINT or SIGTERM.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD_INPUT, FAULT, INTERRUPTED = 2, 3, 130
#: As the shell tells of a program whose output nobody read on.
NOBODY_READS = 128 + 13
#: What the system says of a path or a disk that the user can mend.
_OF_THE_USER = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EACCES, errno.EPERM),
        *(errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG, errno.ELOOP),
    }
)


class Program(click.Group):
    """The commands of a program; whatever ends one of them early ends it with one line.

    Args:
        args, settings: as of any group.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._stages: dict[str, list[click.Command]] = {}
        self.context_settings["show_default"] = True
        self.params.append(
            click.Option(
                ["--traceback"],
                is_flag=True,
                expose_value=False,
                callback=lambda context, _, value: context.meta.update(traceback=value),
                help="Show where in the program a fault of its own happened.",
            )
        )

    def add_stage(self, stage: str, *commands: click.Command) -> None:
        """Add commands under a heading of the help text."""
        self._stages[stage] = list(commands)
        for command in commands:
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the summaries, which are short enough for a line each, stage by stage."""
        commands = [command for stage in self._stages.values() for command in stage]
        widest = max((len(str(command.name)) for command in commands), default=0)
        for stage, own in self._stages.items():
            with formatter.section(stage):
                formatter.write_dl(
                    [(f"{one.name:{widest}}", one.get_short_help_str(limit=100)) for one in own]
                )

    def invoke(self, ctx: click.Context) -> Any:
        from mcu_nas_moo.common.processes import stopped_by_signals

        try:
            with stopped_by_signals():
                result = super().invoke(ctx)
                sys.stdout.flush()
        except (KeyboardInterrupt, click.Abort):
            _end("Interrupted.", INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except InputError as error:
            _end(f"Error: {one_line(error)}", BAD_INPUT)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE and _nobody_reads():
                leave_the_pipe()
            if isinstance(error, OSError) and error.errno in _OF_THE_USER:
                _end(f"Error: {one_line(error)}", BAD_INPUT)
            if ctx.meta.get("traceback"):
                sys.excepthook(type(error), error, error.__traceback__)
            where = _kept_traceback(ctx)
            _end(
                f"Error: a fault of {ctx.info_name}, not of your input: {type(error).__name__}"
                f"{': ' * bool(str(error))}{one_line(error)} (its traceback is in {where})",
                FAULT,
            )
        return result


@contextmanager
def said_when_stopped(kept: str) -> Iterator[None]:
    """When the user interrupts, say on one line what is kept where, and end with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        _end(f"Stopped. {kept}; the same command continues.", INTERRUPTED)


def note(text: str) -> None:
    """Say on stderr what a user should know."""
    click.echo(f"Note: {text}", err=True)


def one_line(error: Exception) -> str:
    """What an error says, on one line; an OSError without its number."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split())


def _end(line: str, code: int) -> None:
    click.echo(line, err=True)
    raise SystemExit(code)


def _nobody_reads() -> bool:
    """Whether the other end of stdout is closed; always false where one cannot know."""
    import select

    with suppress(OSError, AttributeError):  # it is no file; Windows
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return bool(poll.poll(0))
    return False


def leave_the_pipe() -> None:
    """End without a word; what is still to be written, which Python does at its end, goes away."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(NOBODY_READS)


def _kept_traceback(context: click.Context) -> Path:
    """The file in the cache, or else in the folder for temporary files, with the traceback."""
    import tempfile
    import traceback

    from mcu_nas_moo.common.files import cache_folder

    name = f"{context.info_name}-{os.getpid()}.txt"
    for folder in (cache_folder() / "faults", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(traceback.format_exc(), encoding="utf-8")
        except OSError:
            continue
        return folder / name
    return Path("no folder")
