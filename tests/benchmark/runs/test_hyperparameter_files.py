from __future__ import annotations

import pytest

from mcu_nas_moo.benchmark.runs.hyperparameter_files import read_configs, write_config


def test_files_are_joined_by_algorithm(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_config(first, {"nsga2": {"population": 1.5}, "ga": {"crossover": 0.9}}, tuning={"x": 1})
    write_config(second, {"nsga3": {"offspring": 0.5}, "nsga2": {"population": 1.5}})
    assert read_configs([first, second]) == {
        "nsga2": {"population": 1.5},
        "ga": {},  # the default
        "nsga3": {"offspring": 0.5},
    }
    assert read_configs([]) == {}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "or not a file of hyperparameters"),
        ("[]", "or not a file of hyperparameters"),
        ('{"nsga2": {}}', "or not a file of hyperparameters"),
        ('{"hyperparameters": {"nsga2": 3}}', "or not a file of hyperparameters"),
        ('{"hyperparameters": {"nsg2": {}}}', "unknown algorithm 'nsg2'; did you mean 'nsga2'"),
        ('{"hyperparameters": {"ga": {"populaton": 1}}}', "did you mean 'population'"),
    ],
)
def test_bad_files_are_named(tmp_path, text, match):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"config.json.*{match}"):
        read_configs([path])


def test_files_that_contradict_each_other(tmp_path):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, population in zip(paths, (1.5, 2.0), strict=True):
        write_config(path, {"nsga2": {"population": population}})
    with pytest.raises(ValueError, match=r"b\.json gives nsga2 other values"):
        read_configs(paths)
