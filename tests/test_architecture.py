"""The package is laid out as its contracts say, and the picture of it is up to date."""

import subprocess
import sys
from pathlib import Path

import grimp
import networkx as nx

ROOT = Path(__file__).parents[1]


def test_imports_keep_to_the_contracts():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_module_leads_back_to_itself():
    """The contract compares siblings; here a package's own ``__init__`` counts as well."""
    graph = grimp.build_graph("mcu_nas_moo", cache_dir=None)
    imports = nx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    assert len(imports) > 200
    circles = [circle for circle in nx.strongly_connected_components(imports) if len(circle) > 1]
    assert circles == []
