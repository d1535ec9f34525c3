"""The problems of the shipped fronts stay the same problems, whatever becomes of the code."""

import json
from importlib.resources import files

import numpy as np
import pytest

from mcu_nas_moo import Task

#: ``Task(space, profile, objectives).fingerprint`` by the code of commit b0f185d, the last one
#: before the packages of the second edition; the fronts carry the same values since they were made.
FINGERPRINTS = {
    "mbconv-block--cortex-m0plus--error-latency-sram-flash": "0644e3fc9777e543",
    "mbconv-block--cortex-m0plus--error-latency": "0ad6ae7e20f93026",
    "mbconv-block--cortex-m33--error-latency-sram-flash": "21cffaa9babdfd5a",
    "mbconv-block--cortex-m33--error-latency": "f4796b32447105df",
    "mbconv-block--cortex-m4--error-latency-sram-flash": "7de0808eb283826e",
    "mbconv-block--cortex-m4--error-latency": "a3820e7589d3aa72",
    "mbconv-block--cortex-m7--error-latency-sram-flash": "a0e03b24f7ec1b85",
    "mbconv-block--cortex-m7--error-latency": "3463601b56a6dd7c",
    "mbconv-stage--cortex-m0plus--error-latency-sram-flash": "c55821db6cfe953b",
    "mbconv-stage--cortex-m0plus--error-latency": "a4d28bbea14fc7a7",
    "mbconv-stage--cortex-m33--error-latency-sram-flash": "ba1edbeadfecfef4",
    "mbconv-stage--cortex-m33--error-latency": "a29c65d796fb72e1",
    "mbconv-stage--cortex-m4--error-latency-sram-flash": "ab9b880e8a6c23bf",
    "mbconv-stage--cortex-m4--error-latency": "a01211d53a540837",
    "mbconv-stage--cortex-m7--error-latency-sram-flash": "df30f6b30ae673d5",
    "mbconv-stage--cortex-m7--error-latency": "ff961caf95f3a787",
}


def shipped():
    folder = files("mcu_nas_moo") / "reference_fronts"
    return {file.name.removesuffix(".npz"): file for file in folder.iterdir()}


def test_every_shipped_front_is_looked_at():
    assert set(shipped()) == set(FINGERPRINTS)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_front_and_task_are_of_the_same_problem_as_ever(name):
    with shipped()[name].open("rb") as file, np.load(file, allow_pickle=False) as content:
        facts = json.loads(str(content["facts"]))
    task = Task(facts["space"], facts["profile"], facts["objectives"])
    assert facts["fingerprint"] == FINGERPRINTS[name]
    assert task.fingerprint == FINGERPRINTS[name]
    assert task.fingerprints == facts["fingerprints"]
