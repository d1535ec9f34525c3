"""Firmware of random subnets of both spaces, verified image by image on emulated cores.

python benchmarks/firmware_checks.py --data DIR

Exports every subnet with the supernet's weights, builds it for the chips of three profiles, runs
it in an emulator on test images, and writes benchmarks/results/firmware.md. What is finished in
--work is not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markdown_table import markdown_table

from mcu_nas_moo.common.workpool import WorkPool
from mcu_nas_moo.data.image_folders import ImageListing
from mcu_nas_moo.deployment.emulation.emulators import choose_emulator
from mcu_nas_moo.deployment.emulation.verification import Verification, verify
from mcu_nas_moo.deployment.export.int8_model import read_int8_model
from mcu_nas_moo.deployment.export.subnet_export import ExportSettings, export_subnet
from mcu_nas_moo.deployment.firmware.firmware_report import (
    FirmwareReport,
    read_report,
)
from mcu_nas_moo.deployment.firmware.package import FirmwareRequest, build_firmware
from mcu_nas_moo.deployment.firmware.toolchain import find_toolchain
from mcu_nas_moo.deployment.folder import DeploymentFolder
from mcu_nas_moo.hardware.profile import load_profile
from mcu_nas_moo.spaces import load_space
from mcu_nas_moo.spaces.subnet_file import SubnetFile

if TYPE_CHECKING:
    from mcu_nas_moo.data.images import Images

SPACES = ("mbconv-stage", "mbconv-block")
PROFILES = ("cortex-m7", "cortex-m4", "cortex-m33")
RESULT = Path(__file__).parent / "results" / "firmware.md"


class Checked(NamedTuple):
    """A subnet and what came out on each profile."""

    name: str
    reports: dict[str, FirmwareReport]
    verifications: dict[str, Verification]


def random_subnets(count: int) -> list[SubnetFile]:
    """``count`` subnets of each space, drawn uniformly."""
    subnets = []
    for name in SPACES:
        space = load_space(name)
        drawn = space.decode(space.sample(count, np.random.default_rng(0)))
        subnets += [
            SubnetFile(name=f"{name}-{number:02}", space=name, genes=dict(subnet.values))
            for number, subnet in enumerate(drawn)
        ]
    return subnets


def test_images(data: Path, count: int) -> Images:
    """Images of the test split, as many of each class."""
    listing = ImageListing.of(data / "test")
    return listing.read(listing.balanced(np.arange(len(listing)), count, 0))


def check(subnet: SubnetFile, data: Path, work: Path, images: int, toolchain: str) -> Checked:
    """Export, build and verify one subnet on all profiles."""
    import torch

    torch.set_num_threads(1)
    folders = DeploymentFolder(work / subnet.name)
    if not folders.int8_onnx.exists():
        export_subnet(
            subnet, data, folders, ExportSettings(test_images=images), supernet=Path("shipped")
        )
    model = read_int8_model(folders.int8_onnx)
    reports, verifications = {}, {}
    for name in PROFILES:
        profile = load_profile(name)
        target = work / toolchain / subnet.name / name
        saved = target.with_suffix(".json")
        if not saved.exists():
            request = FirmwareRequest(model, profile, find_toolchain(toolchain))
            build_firmware(request, target)
            emulator = choose_emulator(profile.device.core)
            test = test_images(data, images)
            verify(target, model, profile, test, emulator).save(saved)
        reports[name] = read_report(target)
        verifications[name] = Verification.model_validate_json(saved.read_text())
    return Checked(subnet.name, reports, verifications)


def compare_toolchains(checked: Checked, by_zig: Checked) -> list[list[str]]:
    """Rows of the table of compilers: one subnet on every core."""
    rows = []
    for found in (checked, by_zig):
        for profile, verification in found.verifications.items():
            tool = verification.toolchain
            rows.append(
                [checked.name, profile, f"{tool.name} {tool.version}", *cells(verification)]
            )
    return rows


def cells(result: Verification) -> list[str]:
    """Instructions per MAC, Flash, RAM and equality of one run."""
    assert result.execution is not None, result.fault
    return [
        f"{result.execution.instructions_per_mac:.2f}",
        f"{result.flash.used:,}",
        f"{result.execution.ram.used:,}",
        "yes" if result.execution.outputs.equal else "NO",
    ]


def table_of_subnets(results: list[Checked]) -> str:
    """One row per subnet."""
    rows = []
    for checked in results:
        first = checked.reports["cortex-m7"]
        row = [checked.name, f"{first.macs / 1e6:.2f}", f"{first.arena_bytes:,}"]
        row.append(f"{first.arena_bytes / first.arena_bound_bytes:.3f}")
        for name in PROFILES:
            found = checked.verifications[name]
            assert found.execution is not None, found.fault
            row.append(f"{found.execution.instructions_per_mac:.2f}")
        equal = [
            f"{found.images - found.execution.outputs.different_images}"
            for found in checked.verifications.values()
            if found.execution is not None
        ]
        row.append(" / ".join(equal))
        report, run = first, checked.verifications["cortex-m7"].execution
        assert run is not None
        row += [
            f"{run.ram.used / 1024:.1f} / {report.predicted['sram_kib']:.1f}",
            f"{report.flash_bytes / 1024:.1f} / {report.predicted['flash_kib']:.1f}",
        ]
        rows.append(row)
    cores = [name.removeprefix("cortex-").upper() for name in PROFILES]
    heads = ["subnet", "M MACs", "arena bytes", "arena / bound"]
    heads += [f"instr/MAC {core}" for core in cores]
    heads += [
        f"images equal {' / '.join(cores)}",
        "RAM KiB M7: used / cost model",
        "Flash KiB M7: used / cost model",
    ]
    return markdown_table(heads, rows)


def summary(results: list[Checked], images: int) -> list[str]:
    """What the table says in sentences."""
    runs = [found for checked in results for found in checked.verifications.values()]
    done = [found.execution for found in runs if found.execution is not None]
    equal = sum(execution.outputs.equal for execution in done)
    values = sum(execution.outputs.values for execution in done)
    ratios = [
        report.arena_bytes / report.arena_bound_bytes
        for checked in results
        for report in checked.reports.values()
    ]
    first = runs[0]
    lines = [
        f"- {len(results)} subnets x {len(PROFILES)} cores, {images} test images each: "
        f"{equal} of {len(runs)} runs are bit for bit equal to {first.reference} "
        f"({values:,} int8 outputs).",
        f"- Arena over its lower bound: {max(ratios):.3f} at most.",
    ]
    for name in PROFILES:
        found = [
            checked.verifications[name].execution.instructions_per_mac  # type: ignore[union-attr]
            for checked in results
        ]
        lines.append(
            f"- {name}: {np.median(found):.2f} instructions per MAC (median; "
            f"{min(found):.2f} to {max(found):.2f})."
        )
    tool = first.toolchain
    lines += [
        f"- {first.generator}; {tool.name} {tool.version} `{' '.join(tool.flags)}` and the like; "
        f"{first.emulator}.",
    ]
    return lines


def main() -> None:
    """Run the study and write its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="image folder")
    parser.add_argument("--subnets", type=int, default=10, help="of each space")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--toolchain", default="auto", choices=["auto", "gcc", "zig"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("bench-results/firmware"))
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    toolchain = find_toolchain(options.toolchain).name
    results = WorkPool(options.jobs).map(
        lambda subnet: check(subnet, options.data, options.work, options.images, toolchain),
        random_subnets(options.subnets),
    )
    compared = [results[0], results[len(results) // 2]]
    measured = ["instr/MAC", "Flash bytes", "RAM bytes", "bit-exact"]
    by_name = {subnet.name: subnet for subnet in random_subnets(options.subnets)}
    compilers = [
        row
        for one in compared
        for row in compare_toolchains(
            one, check(by_name[one.name], options.data, options.work, options.images, "zig")
        )
    ]
    text = "\n\n".join(
        [
            "# Firmware of random subnets",
            f"`python benchmarks/firmware_checks.py --data DIR --subnets {options.subnets} "
            f"--images {options.images} --toolchain {toolchain}`\n\nSubnets with weights shared "
            "with the supernet, drawn uniformly; images of CIFAR-10 (JPEG re-encoded), test split. "
            "RAM: .data, .bss and the deepest stack. The cost model speaks of another runtime.",
            "\n".join(summary(results, options.images)),
            table_of_subnets(results),
            "## Compilers",
            markdown_table(["subnet", "profile", "compiler", *measured], compilers, left=3),
        ]
    )
    options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
