"""What the fuzz command damages: a small valid file of each kind, and the loader that reads it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROFILE = """\
name: mine
device: {board: b, chip: STM32H743ZI, core: cortex-m7, clock_mhz: 400, flash_kib: 2048,
  sram_kib: 512, cycles_factor: 1.0, active_power_mw: 200}
runtime: stm32cube-ai-10
limits: {flash_kib: 1024, sram_kib: 320, latency_ms: 100}
"""
SUITE = """\
name: small
spaces: [mbconv-stage]
profiles: [cortex-m7, cortex-m4]
objectives: [[error, latency], [error, latency, sram]]
budgets: [20, 40]
seeds: 2
algorithms: [random, {name: nsga2, hyperparameters: {population: 1.5}}]
"""
#: Trials of the search whose files are damaged.
SEARCHED = 12


class Target(NamedTuple):
    """A kind of file.

    Attributes:
        file: which of the valid files is damaged, as seen from the folder that :func:`make` fills.
        load: reads it with the library, and looks at what it read.
        command: reads it with a program; ``FILE`` and ``FOLDER`` stand for the damaged file and its
            folder. None if no command reads it in no time.
    """

    file: str
    load: Callable[[Path], object]
    command: tuple[str, ...] | None = None


def make(folder: Path) -> None:
    """Write a valid file of every kind, by the product wherever it writes such files."""
    from mcu_nas_moo.benchmark.references.reference import known_reference
    from mcu_nas_moo.benchmark.results.compact import save_compact
    from mcu_nas_moo.benchmark.results.loading import load_results
    from mcu_nas_moo.benchmark.runs.hyperparameter_files import write_config
    from mcu_nas_moo.benchmark.runs.study import Run, Study
    from mcu_nas_moo.hardware.runtime import load_runtime
    from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
    from mcu_nas_moo.problem.evaluators.cost_labels import analytic_labels
    from mcu_nas_moo.problem.evaluators.cost_predictor import LearnedCosts, Scope
    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.training.supernet.shipped_files import FOLDER

    task = Task()
    reference = known_reference(task)
    assert reference is not None
    (folder / "profile.yaml").write_text(PROFILE)
    (folder / "suite.yaml").write_text(SUITE)
    runtime = load_runtime("stm32cube-ai-10").model_dump(mode="json")
    (folder / "runtime.yaml").write_text(json.dumps(runtime, indent=1))
    (folder / "memory.yaml").write_text(
        "flash_origin: 0x08000000\nram_origin: 0x24000000\nram_kib: 512\n"
    )
    write_config(folder / "config.json", {"nsga2": {"population": 1.5}})
    study = Study(folder / "study", task, 30)
    study.fix_reference(reference)
    for _ in study.run([Run("random", 0), Run("ga", 0)], reference, 1):
        pass
    results = load_results([folder / "study"])
    save_compact(results, folder / "compact")
    # The shipped reference does not go along, another one does.
    other = replace(reference, X=reference.X[:20], F=reference.F[:20])
    kept = replace(results.problems[0], reference=other)
    save_compact(replace(results, problems=(kept,)), folder / "kept")
    analytic_labels(task.space, task.profile, 12).save(folder / "costs.csv")
    labels = (FOLDER / "labels.csv").read_text().splitlines()[:40]
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "measured.csv").write_text(
        "network,latency_ms,sram_kib,family\nmlperf_ic,3,10,a\nst_mnist_v1_28_tfs,1.5,8,\n"
    )
    predictor = AccuracyPredictor.load()
    predictor.save(folder / "predictor.safetensors")
    scope = Scope.of(task.space, task.profile, analytic=True, violation=False)
    LearnedCosts(predictor, ("latency_ms",), scope).save(folder / "costs.safetensors")
    supernet = (FOLDER / "supernet.safetensors").read_bytes()
    (folder / "supernet.safetensors").write_bytes(supernet)
    _make_search(folder / "search")
    _make_network(folder)
    (folder / "firmware.elf").write_bytes(_elf())


def _make_search(folder: Path) -> None:
    # By a process that ends: a search waits for trials that a living one has begun.
    code = "from mcu_nas_moo.cli.nas.main import main; main()"
    words = ["search", "--budget", str(SEARCHED), "--algo", "random", "--out", str(folder)]
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)


def _make_network(folder: Path) -> None:
    import onnx
    import torch

    from mcu_nas_moo.data.images import Normalisation
    from mcu_nas_moo.networks.onnx_writer import to_onnx
    from mcu_nas_moo.networks.torch_module import SubnetModule
    from mcu_nas_moo.spaces import load_space
    from mcu_nas_moo.spaces.subnet_file import SubnetFile, write_subnet
    from mcu_nas_moo.training.subnet.weights import RetrainedSubnet

    space = load_space("mbconv-stage")
    genes = space.decode(space.smallest)[0].values
    subnet = SubnetFile(name="small", space="mbconv-stage", genes=genes)
    write_subnet(subnet, folder / "subnet.yaml")
    write_subnet(subnet, folder / "subnet.json")
    torch.manual_seed(0)
    module = SubnetModule(subnet.layers()).eval()
    onnx.save(to_onnx(module), folder / "network.onnx")
    names = tuple("abcdefghij")
    normalise = Normalisation((1.0,) * 3, (2.0,) * 3)
    retrained = RetrainedSubnet(subnet, module, normalise, names, {"image": (-1.0, 1.0)}, {})
    retrained.save(folder / "retrained.safetensors")
    state = {"circumstances": {"seed": 0}, "epoch": 1, "weights": {"a": torch.zeros(20)}}
    torch.save(state, folder / "checkpoint.pt")


def _elf() -> bytes:
    """A 32-bit executable for Arm with one segment and one symbol."""
    names, texts = b"\0.text\0.symtab\0.strtab\0", b"\0Reset_Handler\0"
    code = bytes(range(64))
    symbols = bytes(16) + struct.pack("<3I2BH", 1, 0x08000001, 8, 0x12, 0, 1)
    start = 52 + 32
    places, body = [], b""
    for part in (code, symbols, texts, names):
        places.append(start + len(body))
        body += part
    sections = bytes(40)
    for name, kind, flags, place, size, link, entry in (
        (1, 1, 6, places[0], len(code), 0, 0),
        (7, 2, 0, places[1], len(symbols), 3, 16),
        (15, 3, 0, places[2], len(texts), 0, 0),
        (15, 3, 0, places[3], len(names), 0, 0),
    ):
        address = 0x08000000 if flags else 0
        sections += struct.pack("<10I", name, kind, flags, address, place, size, link, 1, 4, entry)
    head = b"\x7fELF\x01\x01\x01" + bytes(9)
    facts = (2, 40, 1, 0x08000001, 52, start + len(body), 0x5000000, 52, 32, 1, 40, 5, 4)
    head += struct.pack("<HHIIIIIHHHHHH", *facts)
    segment = struct.pack("<8I", 1, places[0], 0x08000000, 0x08000000, len(code), len(code), 5, 4)
    return head + segment + body + sections


def _profile(path: Path) -> object:
    from mcu_nas_moo.hardware.cost_model import CostModel
    from mcu_nas_moo.hardware.profile import load_profile

    return CostModel.of(load_profile(path)).fingerprint


def _runtime(path: Path) -> object:
    from mcu_nas_moo.hardware.runtime import load_runtime

    return load_runtime(path)


def _suite(path: Path) -> object:
    from mcu_nas_moo.benchmark.runs.suite import load_suite, plan

    return plan(load_suite(path))


def _config(path: Path) -> object:
    from mcu_nas_moo.benchmark.runs.hyperparameter_files import read_configs

    return read_configs([path])


def _memory(path: Path) -> object:
    from mcu_nas_moo.deployment.firmware.memory_map import memory_map
    from mcu_nas_moo.hardware.profile import load_profile

    return memory_map(load_profile("cortex-m7").device, path).linker_script()


def _subnet(path: Path) -> object:
    from mcu_nas_moo.spaces.subnet_file import read_subnet

    return read_subnet(path)


def _labels(path: Path) -> object:
    from mcu_nas_moo.spaces import load_space
    from mcu_nas_moo.training.supernet.labels import Labels

    labels, space = Labels.load(path), load_space("mbconv-stage")
    return labels.genotypes(space), labels.accuracy(space), labels.uniform(space)


def _cost_labels(path: Path) -> object:
    from mcu_nas_moo.problem.evaluators.cost_labels import CostLabels
    from mcu_nas_moo.spaces import load_space

    return CostLabels.load(path, load_space("mbconv-stage"))


def _measurements(path: Path) -> object:
    from mcu_nas_moo.hardware.calibration.measurements import read_measurements

    return read_measurements(path).fingerprint


def _run(path: Path) -> object:
    from mcu_nas_moo.benchmark.runs.history import load_history, load_metadata

    return load_metadata(path), load_history(path)


def _results(path: Path) -> object:
    from mcu_nas_moo.benchmark.results.loading import load_results

    return load_results([path])


def _folder_of_results(path: Path) -> object:
    return _results(path.parent.parent if path.parent.name == "runs" else path.parent)


def _reference(path: Path) -> object:
    from mcu_nas_moo.benchmark.references.reference import load_reference

    return load_reference(path).hypervolume


def _predictor(path: Path) -> object:
    from mcu_nas_moo.problem.evaluators.accuracy_predictor import AccuracyPredictor
    from mcu_nas_moo.spaces import load_space

    space = load_space("mbconv-stage")
    return AccuracyPredictor.load(path).predict(space, space.smallest)


def _learned_costs(path: Path) -> object:
    from mcu_nas_moo.hardware.profile import load_profile
    from mcu_nas_moo.problem.evaluators.cost_predictor import LearnedCosts
    from mcu_nas_moo.spaces import load_space

    space, costs = load_space("mbconv-stage"), LearnedCosts.load(path)
    costs.check(space, load_profile("cortex-m7"))
    return costs.predict(space, space.smallest)


def _supernet(path: Path) -> object:
    from mcu_nas_moo.training.supernet.weights import TrainedSupernet

    trained = TrainedSupernet.load(path)
    space = trained.spaces[0]
    return trained.supernet.subnet(space.network(space.smallest).layers())


def _retrained(path: Path) -> object:
    from mcu_nas_moo.training.subnet.weights import RetrainedSubnet

    return RetrainedSubnet.load(path)


def _checkpoint(path: Path) -> object:
    from mcu_nas_moo.training.checkpoint import read_checkpoint

    return read_checkpoint(path, "cpu")


def _onnx(path: Path) -> object:
    from mcu_nas_moo.networks.onnx_reader import read_onnx

    return read_onnx(path).layers()


def _firmware(path: Path) -> object:
    from mcu_nas_moo.deployment.firmware.elf import read_firmware_image

    return read_firmware_image(path).flash_bytes


def _journal(path: Path) -> object:
    import optuna

    from mcu_nas_moo.problem.task import Task
    from mcu_nas_moo.search.run_search import search
    from mcu_nas_moo.search.search_study import open_study, subnets_of
    from mcu_nas_moo.search.study_storage import open_journal

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = Task()
    study = open_study(open_journal(path), task.name, task)
    search(study, task, "random", SEARCHED + 1, 0, folder=path.parent)
    return subnets_of(study)


def _search(path: Path) -> object:
    from mcu_nas_moo.search.front import on_front
    from mcu_nas_moo.search.search_folder import SearchFolder

    subnets = SearchFolder(path.parent).read()
    return np.flatnonzero(on_front(subnets))


TARGETS = {
    "profile": Target("profile.yaml", _profile, ("nas", "profile", "show", "FILE")),
    "runtime": Target("runtime.yaml", _runtime),
    "suite": Target("suite.yaml", _suite),
    "config": Target("config.json", _config),
    "memory-map": Target("memory.yaml", _memory),
    "subnet": Target("subnet.yaml", _subnet, ("nas", "cost", "FILE", "--profile", "cortex-m7")),
    "subnet-json": Target("subnet.json", _subnet),
    "labels": Target("labels.csv", _labels),
    "cost-labels": Target("costs.csv", _cost_labels),
    "measurements": Target("measured.csv", _measurements),
    "run": Target("study/runs/random-s0.npz", _run),
    "results": Target(
        "study/runs/random-s0.npz",
        _folder_of_results,
        ("bench", "export", "FOLDER/..", "--format", "csv", "--out", "out", "--jobs", "1"),
    ),
    "study": Target("study/study.json", _folder_of_results),
    "compact": Target(
        "compact/mbconv-stage--cortex-m7--error-latency.npz",
        _results,
        ("bench", "export", "FILE", "--format", "csv", "--out", "out", "--jobs", "1"),
    ),
    "kept-reference": Target(
        "kept/mbconv-stage--cortex-m7--error-latency.npz",
        _results,
        ("bench", "export", "FILE", "--format", "csv", "--out", "out", "--jobs", "1"),
    ),
    "reference": Target("study/reference.npz", _reference),
    "predictor": Target("predictor.safetensors", _predictor),
    "learned-costs": Target("costs.safetensors", _learned_costs),
    "supernet": Target("supernet.safetensors", _supernet),
    "retrained": Target("retrained.safetensors", _retrained),
    "checkpoint": Target("checkpoint.pt", _checkpoint),
    "onnx": Target("network.onnx", _onnx, ("nas", "cost", "FILE", "--profile", "cortex-m7")),
    "firmware": Target("firmware.elf", _firmware),
    "journal": Target("search/study.journal", _journal),
    "search": Target("search/search.json", _search, ("nas", "front", "list", "--from", "FOLDER")),
    "search-table": Target(
        "search/subnets.csv", _search, ("nas", "front", "list", "--from", "FOLDER")
    ),
}
