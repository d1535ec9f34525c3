"""What a search found, with pandas and a picture.

python analysis.py [FOLDER]

FOLDER is what `mcu-nas search --out FOLDER` left; without it, a small search is made. The picture
is made with plotly if it is there (`pip install 'mcu-nas-moo[examples]'`), else with matplotlib.
"""

import subprocess
import sys
from pathlib import Path

import pandas as pd


def table_of(folder):
    """All subnets of a search, and what makes some of them good."""
    subnets = pd.read_csv(folder / "subnets.csv")
    fits = subnets[subnets["feasible"]]
    front = fits[fits["on_front"]].sort_values("latency_ms")
    genes = list(subnets.columns[subnets.columns.get_loc("macs_m") + 1 :])
    print(f"{len(subnets)} subnets, {len(fits)} fit, {len(front)} are on the front")
    print("\nThe front:")
    print(front[["name", "error", "latency_ms", "sram_kib", "flash_kib"]].to_string(index=False))
    print("\nGenes that go with the error (rank correlation):")
    ranks = fits[genes].rank().corrwith(fits["error"].rank()).dropna()
    print(ranks.sort_values(key=abs, ascending=False).head(5).round(2).to_string())
    return subnets, front


def picture(subnets, front, path):
    """Error over latency: subnets that fit, that do not, and the front."""
    kinds = subnets["feasible"].map({True: "fits", False: "does not fit"})
    try:
        import plotly.express as px
    except ImportError:
        import matplotlib.pyplot as plt

        axes = subnets.plot.scatter("latency_ms", "error", c=kinds.map({"fits": "C0"}).fillna("C7"))
        front.plot("latency_ms", "error", drawstyle="steps-post", color="C3", ax=axes)
        plt.savefig(path.with_suffix(".png"))
        return path.with_suffix(".png")
    figure = px.scatter(subnets, "latency_ms", "error", color=kinds, hover_name="name")
    line = px.line(front, "latency_ms", "error", line_shape="hv").data[0]
    figure.add_trace(line.update(line_color="firebrick"))
    figure.write_html(path.with_suffix(".html"))
    return path.with_suffix(".html")


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "small-search")
    if not (folder / "subnets.csv").exists():
        program = Path(sys.executable).with_name("mcu-nas")
        search = ["search", "--algo", "nsga2", "--budget", "200", "--out", str(folder)]
        subprocess.run([program, *search], check=True)
    print("Picture:", picture(*table_of(folder), folder / "analysis"))
