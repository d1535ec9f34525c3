"""Make the pooled reference fronts that the package ships, for all profiles and both spaces.

Run it again whenever the predictor, the cost model, a space or a profile changes; a front whose
fingerprint does not fit its task is not used. Takes about a minute per front::

    python benchmarks/make_references.py            # those that are missing or out of date
    python benchmarks/make_references.py --all      # all of them
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

from mcu_nas_moo.bench.front_search import pooled_reference
from mcu_nas_moo.bench.reference import file_name, load_reference
from mcu_nas_moo.profiles import list_profiles
from mcu_nas_moo.spaces import list_spaces
from mcu_nas_moo.task import Task

FOLDER = Path(__file__).parent / "reference_fronts"
OBJECTIVES = ("error", "latency")
#: More effort than for a front made on the fly.
SEARCHES, ROUNDS = 5, 4


def main() -> None:
    """Make the fronts one after the other and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--all", action="store_true", help="remake those that are up to date, too")
    everything = parser.parse_args().all
    for space in list_spaces():
        for profile in list_profiles():
            task = Task(space, profile, OBJECTIVES)
            path = FOLDER / file_name(task)
            known = load_reference(path).fingerprint if path.exists() else None
            if known == task.fingerprint and not everything:
                print(f"{path.name}: up to date")
                continue
            start = perf_counter()
            reference = pooled_reference(task, searches=SEARCHES, rounds=ROUNDS)
            reference.save(path)
            print(
                f"{path.name}: {len(reference.F)} subnets of "
                f"{reference.origin['evaluations']:,} evaluated, {perf_counter() - start:.0f} s"
            )


if __name__ == "__main__":
    main()
