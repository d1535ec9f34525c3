"""Damaged files of every kind through the loaders: tracebacks, hangs, memory, files elsewhere.

    python benchmarks/fuzz.py --list
    python benchmarks/fuzz.py --inputs 400 --seed 0 --cli 12 --out benchmarks/results/fuzz.md

Valid files, made by the product, are damaged byte by byte and value by value. Each is read in a
child process with at most 4 GiB of address space, which is started again when it dies or takes more
than 10 s. A loader may refuse a file with an InputError; whatever else it raises is a find, and so
is an error of its own code that it takes for damage. With
--cli, as many inputs of each target go through a command as well, which must end with 0, 1 or 2
and, if it refuses the file, one line.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard
from zlib import crc32

import click
import numpy as np
import yaml
from fuzz_targets import TARGETS, Target, make
from markdown_table import markdown_table

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PATIENCE_S, MEMORY = 10, 4 * 2**30
#: What takes the place of a value in a structured file.
ODD: tuple[Any, ...] = (
    *(None, True, False, "", "x" * 3000, "../../x", "2024-01-01", "1e5", "ä\u202e\0", []),
    *({}, [[]], -1, 0, 1, 3.5, 1e308, float("nan"), float("inf"), 2**31, 2**70, 10**400),
)
#: What takes the place of a number or a word in a text.
WORDS = (b"-1", b"1e999", b"nan", b"99999999999999999999", b"null", b"", b"[" * 3000, b"*a", b"!!x")
COLUMNS = (
    "target",
    "inputs",
    "read",
    "refused",
    "tracebacks",
    "hangs",
    "deaths",
    "files elsewhere",
)


def damaged(content: bytes, suffix: str, rng: np.random.Generator) -> bytes:
    """``content`` with one to four changes, of its values or of its bytes."""
    for _ in range(min(int(rng.geometric(0.6)), 4)):
        structured = _STRUCTURED.get(suffix)
        try:
            if structured and rng.random() < 0.6:
                content = structured(content, rng)
                continue
        except Exception:
            pass
        content = _bytes_changed(content, rng)
    return content


def _bytes_changed(content: bytes, rng: np.random.Generator) -> bytes:
    place, length = int(rng.integers(len(content) + 1)), int(rng.integers(1, 40))
    if rng.random() < 0.3:
        place = min(place, 300)  # headers decide most
    before, after = content[:place], content[place + length :]
    kinds = (
        lambda: before,
        lambda: before + after,
        lambda: before + rng.bytes(length) + after,
        lambda: before + content[place : place + length] * int(rng.integers(2, 50)) + after,
        lambda: before + bytes([255]) * length + after,
        lambda: before + WORDS[int(rng.integers(len(WORDS)))] + after,
        lambda: before + bytes([rng.integers(256)]) + content[place + 1 :],
    )
    return kinds[int(rng.integers(len(kinds)))]()


def _values_changed(values: Any, rng: np.random.Generator) -> Any:
    """Plain data with one value, anywhere in it, replaced, removed or nested."""
    if isinstance(values, dict | list) and values and rng.random() < 0.85:
        keys = list(values) if isinstance(values, dict) else list(range(len(values)))
        key = keys[int(rng.integers(len(keys)))]
        changed = dict(values) if isinstance(values, dict) else list(values)
        if rng.random() < 0.15:
            del changed[key]
        elif isinstance(changed, dict) and rng.random() < 0.1:
            changed[f"{key}x"] = changed.pop(key)
        else:
            changed[key] = _values_changed(values[key], rng)
        return changed
    if rng.random() < 0.1:
        for _ in range(int(rng.integers(1, 900))):
            values = [values]
        return values
    return ODD[int(rng.integers(len(ODD)))]


def _json_changed(content: bytes, rng: np.random.Generator) -> bytes:
    return json.dumps(_values_changed(json.loads(content), rng)).encode()


def _yaml_changed(content: bytes, rng: np.random.Generator) -> bytes:
    return yaml.safe_dump(_values_changed(yaml.safe_load(content), rng)).encode()


def _lines_changed(content: bytes, rng: np.random.Generator) -> bytes:
    lines = [line.split(b",") for line in content.splitlines()]
    row = lines[int(rng.integers(len(lines)))]
    row[int(rng.integers(len(row)))] = str(ODD[int(rng.integers(len(ODD)))]).encode()[:4000]
    return b"\n".join(b",".join(line) for line in lines) + b"\n"


def _journal_changed(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.splitlines()
    place = int(rng.integers(len(lines)))
    lines[place] = _json_changed(lines[place], rng)
    return b"\n".join(lines) + b"\n"


def _npz_changed(content: bytes, rng: np.random.Generator) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = list(members)[int(rng.integers(len(members)))]
    array = np.load(io.BytesIO(members[name]), allow_pickle=False)
    if array.dtype.kind == "U" and array.ndim == 0 and str(array).startswith("{"):
        array = np.array(_json_changed(str(array).encode(), rng).decode())
    elif rng.random() < 0.3:
        members[name] = _bytes_changed(members[name], rng)
        array = None
    else:
        kinds = (
            lambda: array[:-1] if array.ndim else array,
            lambda: array.astype(float) * np.nan if array.dtype.kind != "U" else array,
            lambda: array.reshape(-1),
            lambda: np.zeros((0,) * array.ndim, array.dtype),
            lambda: np.array(["x"]),
            lambda: array[None],
            lambda: np.zeros(2**22, np.uint8),
            lambda: array.astype(np.int64) * -1 if array.dtype.kind in "iuf" else array,
            lambda: array.astype(np.uint64) + 2**40 if array.dtype.kind in "iu" else array,
        )
        array = kinds[int(rng.integers(len(kinds)))]()
    if array is not None:
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
        members[name] = stream.getvalue()
    if rng.random() < 0.1:
        del members[name]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return written.getvalue()


def _tensors_changed(content: bytes, rng: np.random.Generator) -> bytes:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    inner = header.get("__metadata__", {})
    if inner and rng.random() < 0.5:
        key = list(inner)[int(rng.integers(len(inner)))]
        inner[key] = _json_changed(inner[key].encode(), rng).decode()
    else:
        header = _values_changed(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


_STRUCTURED = {
    ".yaml": _yaml_changed,
    ".json": _json_changed,
    ".csv": _lines_changed,
    ".journal": _journal_changed,
    ".npz": _npz_changed,
    ".safetensors": _tensors_changed,
}


def work(pipe: Connection, name: str, seed: int, valid: Path, scratch: Path, cli: int) -> None:
    """The child: for each number that comes, what became of the input of that number."""
    import torch  # noqa: F401  before the memory is limited, as all that loaders import late

    target = TARGETS[name]
    target.load(valid / target.file)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    elsewhere: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int):
            path, flags = os.path.abspath(str(arguments[0])), arguments[2]
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not path.startswith((str(scratch), "/dev/")):
                elsewhere.append(path)

    sys.addaudithook(watch)
    content = (valid / target.file).read_bytes()
    copied = scratch / "valid"
    shutil.copytree(valid, copied, ignore=shutil.ignore_patterns("*.safetensors"))
    file = copied / target.file
    os.chdir(scratch)
    while (number := pipe.recv()) is not None:
        rng = np.random.default_rng([seed, crc32(name.encode()), number])
        file.write_bytes(damaged(content, file.suffix, rng))
        result, detail = _loaded(target, file)
        if number < cli and target.command and not detail:
            detail = _through_command(target.command, file)
        pipe.send((result, detail, [*elsewhere]))
        elsewhere.clear()


def _loaded(target: Target, file: Path) -> tuple[str, str]:
    from mcu_nas_moo.common.errors import InputError

    try:
        target.load(file)
    except InputError as error:
        if _is_bug(error.__cause__):
            return "", f"taken for damage: {_told(error.__cause__)}"
        many = len(str(error).splitlines()) > 1
        return "refused", f"more than a line: {error}" if many else ""
    except BaseException as error:
        return "", _told(error)
    return "read", ""


def _is_bug(cause: BaseException | None) -> TypeGuard[BaseException]:
    """Whether a loader of ours broke where it took the file for damaged."""
    if not isinstance(cause, AttributeError | NameError | AssertionError):
        return False
    return "mcu_nas_moo" in Path(traceback.extract_tb(cause.__traceback__)[-1].filename).parts


def _told(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"


def _through_command(command: tuple[str, ...], file: Path) -> str:
    """What is wrong with how the command ends, in words; nothing if all is well."""
    from click.testing import CliRunner

    from mcu_nas_moo.cli.bench.main import main as bench
    from mcu_nas_moo.cli.nas.main import main as nas

    program = {"nas": nas, "bench": bench}[command[0]]
    words = [
        word.replace("FILE", str(file)).replace("FOLDER", str(file.parent)) for word in command[1:]
    ]
    result = CliRunner().invoke(program, words)
    if result.exit_code not in (0, 1, 2):
        return f"exit code {result.exit_code} of {' '.join(command)}: {result.stderr[-300:]}"
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    if result.exit_code == 2 and len(lines) != 1:
        return f"not one line of {' '.join(command)}: {result.stderr[-300:]}"
    return ""


def fuzz(
    name: str, inputs: int, seed: int, valid: Path, cli: int
) -> tuple[Counter[str], list[str]]:
    """Counts of what became of the inputs of a target, and a line for each find."""
    counts: Counter[str] = Counter(inputs=inputs)
    finds: list[str] = []
    context = multiprocessing.get_context("fork")
    child = pipe = None
    scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number in range(inputs):
        if child is None:
            pipe, other = context.Pipe()
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            child = context.Process(target=work, args=(other, name, seed, valid, scratch, cli))
            child.start()
            other.close()
        assert pipe is not None
        pipe.send(number)
        what, detail, elsewhere = "hangs", "", []
        try:
            # The first answer takes the imports.
            if pipe.poll(PATIENCE_S if counts["read"] + counts["refused"] else 6 * PATIENCE_S):
                what, detail, elsewhere = pipe.recv()
        except (EOFError, ConnectionError):
            what = "deaths"
        if what in ("hangs", "deaths"):
            child.kill()
            child.join()
            child = None
        counts[what or "tracebacks"] += 1
        counts["tracebacks"] += bool(detail and what)
        counts["files elsewhere"] += len(elsewhere)
        if detail or elsewhere or what in ("hangs", "deaths"):
            finds.append(f"{name} seed {seed} input {number}: {what} {detail} {elsewhere or ''}")
    if child is not None and pipe is not None:
        pipe.send(None)
        child.join()
    shutil.rmtree(scratch, ignore_errors=True)
    return counts, finds


@click.command()
@click.option("--target", "names", multiple=True, help="Repeatable; all by default.")
@click.option("--inputs", default=400, show_default=True, help="Of each target and seed.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(0,), help="Repeatable.")
@click.option("--cli", default=0, show_default=True, help="Inputs through a command as well.")
@click.option("--out", type=click.Path(path_type=Path), help="File of the table, in Markdown.")
@click.option("--list", "listing", is_flag=True, help="Show the targets.")
def main(
    names: tuple[str, ...],
    inputs: int,
    seeds: tuple[int, ...],
    cli: int,
    out: Path | None,
    listing: bool,
) -> None:
    """Feed damaged files to the loaders."""
    if listing:
        click.echo("\n".join(TARGETS))
        return
    rows, all_finds = [], []
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        for name in names or TARGETS:
            total: Counter[str] = Counter()
            for seed in seeds:
                counts, finds = fuzz(name, inputs, seed, Path(folder), cli)
                total += counts
                all_finds += finds
                for line in finds:
                    click.echo(line[:400])
            rows.append([name, *(f"{total[column]:,}" for column in COLUMNS[1:])])
            click.echo(" ".join(rows[-1]))
    table = markdown_table(COLUMNS, rows)
    if out is not None:
        command = f"--inputs {inputs} {' '.join(f'--seed {seed}' for seed in seeds)} --cli {cli}"
        text = f"# Damaged files\n\n`python benchmarks/fuzz.py {command}`\n\n{table}\n"
        out.write_text(text, encoding="utf-8")
    raise SystemExit(1 if all_finds else 0)


if __name__ == "__main__":
    main()
