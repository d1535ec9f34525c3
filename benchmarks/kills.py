"""Commands that write results, killed at random times and started again until they are done.

Each command is first left alone. Then it is started in new folders, killed by SIGTERM, SIGINT or
SIGKILL at times drawn evenly from the time it took, and started again; after at most five kills it
may finish. Nothing that was finished may be lost, the results must be those of the undisturbed
run, and soon after a kill no process may be left but the killed one itself, which may still write
its summary after SIGTERM and SIGINT. Give more time (``--grace``) on a busy machine: a process that
is just starting ends when it has started::

    python benchmarks/kills.py --kills 100 --out benchmarks/results/kills.md
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from markdown_table import markdown_table
from PIL import Image

from mcu_nas_moo.common.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: In the environment of all that a command starts; tells its processes from others.
MARK = "MCU_NAS_KILLS"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
#: Kills of one folder before the command may finish.
CHAIN = 5
#: Seconds that the processes of a killed command may take to end, and any command at all.
GRACE_S, PATIENCE_S = 2.0, 600.0

Items = dict[str, str]


@dataclass(frozen=True)
class Work:
    """A command that is killed.

    Attributes:
        command: program and arguments; ``OUT`` stands for the folder of its results.
        items: of that folder, what is finished, by name; equal text is an equal result.
        prepare: commands that make what it needs in ``OUT``.
        unnamed: at the end the items have to be those of the undisturbed run under any names.
    """

    command: str
    items: Callable[[Path], Items]
    prepare: tuple[str, ...] = ()
    unnamed: bool = False


@dataclass
class Tally:
    """What became of the kills of one command."""

    kills: list[signal.Signals] = field(default_factory=list)
    seconds: float = 0.0
    lost: int = 0
    unequal: int = 0
    failed: int = 0
    left: int = 0

    @property
    def faults(self) -> int:
        return self.lost + self.unequal + self.failed + self.left


def digest(*arrays: Any) -> str:
    """Hash of arrays, with their shapes and kinds."""
    hashed = hashlib.sha256()
    for array in map(np.asarray, arrays):
        hashed.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    return hashed.hexdigest()


def histories(out: Path) -> Items:
    """Finished runs of the benchmark; how long they took is no result."""
    items = {}
    for path in out.rglob("runs/[!.]*.npz"):
        with np.load(path) as data:
            items[str(path.relative_to(out))] = digest(data["X"], data["F"], data["G"])
    return items


def trials(out: Path) -> Items:
    """Finished trials of a search, whichever process made them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage: Any
    if out.with_suffix(".db").exists():
        storage = f"sqlite:///{out}.db"
    elif (out / "study.journal").exists():
        backend = optuna.storages.journal.JournalFileBackend(str(out / "study.journal"))
        storage = optuna.storages.JournalStorage(backend)
    else:
        return {}
    items = {}
    for name in optuna.get_all_study_names(storage):
        done = optuna.trial.TrialState.COMPLETE
        for trial in optuna.load_study(study_name=name, storage=storage).get_trials(states=[done]):
            items[f"trial {trial.number}"] = f"{sorted(trial.params.items())} {trial.values}"
    return items


def epochs(out: Path) -> Items:
    """Finished epochs of a training, and the weights at its end."""
    import torch
    from safetensors.numpy import load_file

    items = {}
    for path in out.rglob("checkpoint.pt"):
        epoch = torch.load(path, weights_only=True)["epoch"]
        items |= {f"epoch {number + 1}": "finished" for number in range(epoch)}
    for path in out.rglob("[!.]*.safetensors"):
        tensors = load_file(path)
        items[path.name] = digest(*(tensors[name] for name in sorted(tensors)))
    return items


def labels(out: Path) -> Items:
    """Labelled subnets."""
    path = out / "labels.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {str(number): str(row) for number, row in enumerate(csv.reader(file))}


def fronts(out: Path) -> Items:
    """Reference fronts, without the state of an unfinished enumeration."""
    items = {}
    for path in out.glob("[!.u]*.npz"):
        with np.load(path) as data:
            items[path.name] = digest(data["X"], data["F"])
    return items


def firmware(out: Path) -> Items:
    """Files of a firmware project; how long its building took is no result."""
    folder = out / "firmware"
    return {
        str(path.relative_to(folder)): re.sub(r'"seconds": [0-9.]+', "", path.read_text("latin-1"))
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    }


_SUITE = """
spaces: [mbconv-stage]
profiles: [cortex-m7]
objectives: [[error, latency]]
budgets: [100, 200]
seeds: 2
algorithms: [random, nsga2]
"""
_SEARCH = "mcu-nas search --algo random --budget 30 --out OUT"
_EXPORT = "mcu-nas export smallest.json --data images --shared --calibration-images 40 --out OUT"
_FEW = "--data images --device cpu"
WORKS = {
    "bench": Work(
        "mcu-nas-bench --algos random,nsga2 --budget 200 --seeds 2 --jobs 2 --out OUT",
        histories,
    ),
    "suite": Work("mcu-nas-bench suite suite.yaml --jobs 2 --out OUT", histories),
    "search-journal": Work(_SEARCH, trials, unnamed=True),
    "search-sqlite": Work(f"{_SEARCH} --storage sqlite:///OUT.db", trials, unnamed=True),
    "train": Work(
        f"mcu-nas supernet train --space mbconv-stage --epochs 2 --batch-size 16 {_FEW} --out OUT",
        epochs,
    ),
    "label": Work(
        f"mcu-nas supernet label --space mbconv-stage --subnets 6 {_FEW} --out OUT/labels.csv",
        labels,
    ),
    "retrain": Work(
        f"mcu-nas retrain smallest.json --from scratch --no-distil --epochs 2 --qat-epochs 1 "
        f"--batch-size 27 {_FEW} --out OUT",
        epochs,
    ),
    "enumerate": Work(
        "mcu-nas enumerate --profile cortex-m7 --latency-ms 4.2 --objectives error,latency "
        "--jobs 2 --out OUT",
        fronts,
    ),
    "firmware": Work(
        "mcu-nas firmware smallest.json --profile cortex-m4 --out OUT", firmware, (_EXPORT,)
    ),
}


def draw_inputs(folder: Path) -> None:
    """A suite, a subnet file and an image folder of ten classes."""
    from mcu_nas_moo.spaces import load_space
    from mcu_nas_moo.spaces.subnet_file import SubnetFile, write_subnet

    (folder / "suite.yaml").write_text(_SUITE)
    space = load_space("mbconv-stage")
    (smallest,) = space.decode(space.smallest)
    subnet = SubnetFile(name="smallest", space=space.name, genes=smallest.values)
    write_subnet(subnet, folder / "smallest.json")
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 2)):
        for label in range(10):
            place = folder / "images" / split / f"class-{label}"
            place.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 160, (32, 32, 3)) + 9 * label
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")


class Killer:
    """Starts commands in a folder of inputs, and kills them."""

    def __init__(self, folder: Path, seed: int, grace: float = GRACE_S) -> None:
        self.folder = folder
        self._grace = grace
        self._rng = np.random.default_rng(seed)
        self._places = 0

    def torment(self, work: Work, kills: int) -> Tally:
        """Kill one command that often."""
        tally = Tally()
        out = self._place(work)
        begin = time.monotonic()
        self._finish(work.command, out)
        tally.seconds = time.monotonic() - begin
        wanted = work.items(out)
        assert wanted, f"{work.command} has no results"
        while len(tally.kills) < kills:
            out, kept = self._place(work), Items()
            for _ in range(min(CHAIN, kills - len(tally.kills))):
                if self._killed(work.command, out, tally):
                    now = work.items(out)
                    tally.lost += sum(now.get(name) != text for name, text in kept.items())
                    kept = now
            try:
                self._finish(work.command, out)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                tally.failed += 1
                continue
            end = work.items(out)
            tally.lost += sum(end.get(name) != text for name, text in kept.items())
            same = end == wanted
            if work.unnamed:
                same = sorted(end.values()) == sorted(wanted.values())
            tally.unequal += not same
        return tally

    def _place(self, work: Work) -> Path:
        self._places += 1
        out = self.folder / f"out-{self._places}"
        out.mkdir()
        for command in work.prepare:
            self._finish(command, out)
        return out

    def _start(self, command: str, out: Path) -> subprocess.Popen[str]:
        program, *arguments = shlex.split(command.replace("OUT", str(out)))
        kind = {"mcu-nas": "nas", "mcu-nas-bench": "bench"}[program]
        code = f"from mcu_nas_moo.cli.{kind}.main import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env=os.environ
            | {MARK: str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}
            | {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _finish(self, command: str, out: Path) -> None:
        with self._start(command, out) as process:
            said = process.communicate(timeout=PATIENCE_S)[1]
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}: {said.strip()}")

    def _killed(self, command: str, out: Path, tally: Tally) -> bool:
        """Start and kill it; False if it was faster."""
        with self._start(command, out) as process:
            try:
                process.communicate(timeout=self._rng.uniform(0, tally.seconds))
            except subprocess.TimeoutExpired:
                number = SIGNALS[self._rng.integers(len(SIGNALS))]
                process.send_signal(number)
                tally.kills.append(number)
            else:
                return False
            tally.left += self._left(process.pid, number)
            process.communicate(timeout=PATIENCE_S)
            tally.left += self._left(None, number)
        return True

    def _left(self, parent: int | None, number: signal.Signals) -> int:
        """How many processes are left when they had their time; ends them."""
        end = time.monotonic() + self._grace
        while (left := list(self._processes(parent))) and time.monotonic() < end:
            time.sleep(0.05)
        for one in left:
            print(f"left by {number.name}: {one}", file=sys.stderr)
            one.kill()
        return len(left)

    def _processes(self, parent: int | None) -> Iterator[psutil.Process]:
        """What commands in this folder started and is alive.

        One that is still at work is left out, with what the standard library keeps for it.
        """
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) != str(self.folder):
                    continue
                kept = parent and "resource_tracker" in " ".join(process.cmdline())
                if process.status() != psutil.STATUS_ZOMBIE and process.pid != parent and not kept:
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


def table(tallies: dict[str, Tally], command: str, grace: float) -> str:
    """The page of a run."""
    columns = ("command", "s", "SIGTERM", "SIGINT", "SIGKILL")
    columns += ("lost", "unequal", "failed starts", "processes left")
    rows = [
        (
            f"`{WORKS[name].command}`",
            f"{tally.seconds:.0f}",
            *(str(tally.kills.count(number)) for number in SIGNALS),
            *map(str, (tally.lost, tally.unequal, tally.failed, tally.left)),
        )
        for name, tally in tallies.items()
    ]
    kills = sum(len(tally.kills) for tally in tallies.values())
    faults = sum(tally.faults for tally in tallies.values())
    return (
        f"# Kills\n\nMade by `{command}`: {kills} kills at random times, {faults} faults. "
        "*s* is the time of the command left alone; *lost* counts finished runs, trials, epochs, "
        "labels, fronts or files that were gone or other ones later, *unequal* folders whose "
        "results were not those of the undisturbed run at the end (of searches: whose trials, by "
        "parameters and values, were not), *processes left* those that "
        f"were alive {grace:g} s after the kill.\n\n{markdown_table(columns, rows)}\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Kill, print the table; returns 1 if anything was lost, unequal, refused or left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=100, help="in all  [100]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", default=",".join(WORKS), help="commands  [all]")
    parser.add_argument("--grace", type=float, default=GRACE_S, help="seconds to end  [2]")
    parser.add_argument("--out", type=Path, help="file of the table  [none]")
    options = parser.parse_args(arguments)
    # What a shell starts in the background ignores SIGINT, and so would the commands.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    names = options.what.split(",")
    unknown = set(names) - set(WORKS)
    if unknown or options.kills < 1:
        parser.error(f"--what is some of {', '.join(WORKS)}; --kills at least 1")
    tallies: dict[str, Tally] = {}
    given = shlex.join(sys.argv[1:] if arguments is None else arguments)
    folder = Path(tempfile.mkdtemp(prefix="kills-")).resolve()
    try:
        draw_inputs(folder)
        killer = Killer(folder, options.seed, options.grace)
        for position, name in enumerate(names):
            share = len(range(position, options.kills, len(names)))
            tallies[name] = killer.torment(WORKS[name], share)
            print(json.dumps({name: str(tallies[name])}), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        text = table(tallies, f"python benchmarks/kills.py {given}".strip(), options.grace)
        print(text)
        if options.out is not None:
            write_text_atomically(options.out, text)
    return int(any(tally.faults for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
