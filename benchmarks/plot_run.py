"""Draws a comparison: what each scanner finds against how fast it is.

Run by the peers' interpreter, which has Matplotlib. python plot_run.py results/compare-200MB.json
results/compare-200MB.svg
"""

import json
import sys

import matplotlib as mpl
from matplotlib import pyplot as plt

OURS, THEIRS, INK, FAINT = "#0b6bcb", "#8a6d3b", "#57606a", "#d0d7de"


def main(source: str, target: str) -> None:
    """Reads the JSON of `compare`, writes an SVG that reads on light and on dark pages."""
    mpl.use("svg")
    # The same rows give the same bytes; text stays text.
    mpl.rcParams.update(
        {"svg.hashsalt": "curfewd", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
    )
    with open(source, "rb") as file:  # noqa: PTH123 - nothing but Matplotlib is in this environment
        made = json.load(file)
    figure, axes = plt.subplots(figsize=(8.2, 4.6), layout="constrained")
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    above = True
    for row in sorted(made["rows"], key=lambda one: one["size"] / max(one["cpu"] - one["startup"], 1e-9)):
        score = row["score"]
        total = score["total"]
        if row["scanner"].startswith("curfewd") and any(
            word in row["scanner"] for word in ("known", "2 cores")
        ):
            continue  # a registry is what no peer has, and of a run on all cores only the wall time says more
        recall = 100 * total["found"] / total["planted"]
        speed = row["size"] / 1e6 / max(row["cpu"] - row["startup"], 1e-9)
        false = score["false_lines"] / row["size"] * 1e9
        ours = row["scanner"].startswith("curfewd")
        axes.scatter(speed, recall, s=64, color=OURS if ours else THEIRS, zorder=3)
        above = not above and not ours  # labels of neighbours would lie on each other
        axes.annotate(
            f"{row['scanner'].split(',')[0]}\n{false:,.0f} false/GB",
            (speed, recall), xytext=(7, 4 if above else -4), textcoords="offset points", va="bottom" if above else "top", fontsize=8.5,
            color=OURS if ours else INK, fontweight="bold" if ours else "normal",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(0.1, 700)
    axes.set_ylim(0, 104)
    axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.set_xlabel("MB of log text per CPU-second, start-up aside (log scale)", color=INK)
    axes.set_ylabel("planted secrets found, %", color=INK)
    axes.set_title("Beside each: lines reported for nothing, per GB", loc="left", fontsize=9, color=INK)
    axes.grid(color=FAINT, linewidth=0.6, alpha=0.6)
    axes.tick_params(colors=INK, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(INK)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
