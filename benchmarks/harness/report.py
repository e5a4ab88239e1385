"""The figures as a table, as JSON, as a plot, and as the page of the documentation."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.harness.figures import Figure

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "remit"

_PAGE = """# Performance

This page is generated: `python -m benchmarks --write`. Every ratio is against a baseline that was timed in the same run on the
same machine, in short alternating rounds; it is the median of the pairs, with their quartiles. Absolute times are of that
machine ({machine}) and do not travel.

![How much of each target is reached](performance.svg)

| what | baseline | figure | quartiles | target | reached | behind it |
|---|---|---|---|---|---|---|
{rows}
{distributions}"""

_DISTRIBUTION = """
## {name}: the distribution

![Share of the measurements below each time]({file})
"""


def line(figure: Figure) -> str:
    """One line for the terminal: the figure, its target, and how far it is from it."""
    sign = "≤" if figure.lower_is_better else "≥"
    verdict = "reached" if figure.reached else f"{(1 - figure.share) * 100:.0f} % short"
    against = f" / {figure.baseline}" if figure.baseline else ""
    value = f"{_number(figure.value)} {figure.unit}"
    return f"{figure.name + against:<78} {value:>10}  {sign} {_number(figure.target):>6}  {verdict:<10} {figure.detail}"


def write(figures: Iterable[Figure], folder: Path, *, page: bool) -> None:
    """Write JSON and plot, and the page; figures that are already there and were not measured now are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "performance.json"
    known = json.loads(path.read_text())["figures"] if path.exists() else []
    merged = {_key(each): each for each in map(_read, known)} | {_key(each): each for each in figures}
    kept = list(merged.values())
    document = {"machine": _machine(), "figures": [asdict(each) for each in kept]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    _plot(kept, folder / "performance.svg")
    spread = [each for each in kept if each.samples]
    for each in spread:
        _plot_distribution(each, folder / _file_of(each))
    if page:
        rows = "\n".join(_row(each) for each in kept)
        shown = "".join(_DISTRIBUTION.format(name=each.name, file=_file_of(each)) for each in spread)
        (folder / "performance.md").write_text(_PAGE.format(machine=_machine(), rows=rows, distributions=shown))


def _plot(figures: Sequence[Figure], path: Path) -> None:
    names = [f"{each.name}\n/ {each.baseline}" if each.baseline else each.name for each in figures]
    shares = [each.share for each in figures]
    canvas, axes = plt.subplots(figsize=(9, 1 + 0.55 * len(figures)))
    bars = axes.barh(names, shares, color=["#2a7f62" if each.reached else "#c2571a" for each in figures])
    labels = [f"{_number(each.value)} {each.unit}" for each in figures]
    axes.bar_label(bars, labels=labels, padding=4, fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(0, max(1.2, *shares) * 1.15)
    axes.set_xlabel("share of the target (1 = reached)")
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    canvas.tight_layout()
    canvas.savefig(path, metadata={"Date": None})
    plt.close(canvas)


def _plot_distribution(figure: Figure, path: Path) -> None:
    """The share of the measurements that are at most so large, and the target."""
    ordered = sorted(figure.samples)
    shares = [(place + 1) / len(ordered) for place in range(len(ordered))]
    canvas, axes = plt.subplots(figsize=(7, 3.2))
    axes.step(ordered, shares, where="post", color="#2a7f62")
    axes.axvline(
        figure.target,
        color="black",
        linewidth=1,
        linestyle="--",
        label=f"target {_number(figure.target)} {figure.unit}",
    )
    axes.axhline(0.99, color="#999999", linewidth=0.8, linestyle=":", label="99th percentile")
    axes.set_xlim(0, max(figure.target, ordered[-1]) * 1.05)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"{figure.unit} ({len(ordered)} measurements)")
    axes.set_ylabel("share that took at most so long")
    axes.legend(loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.tight_layout()
    canvas.savefig(path, metadata={"Date": None})
    plt.close(canvas)


def _file_of(figure: Figure) -> str:
    return f"performance-{figure.name.partition(',')[0]}.svg"


def _read(members: dict[str, Any]) -> Figure:
    return Figure(**{**members, "samples": tuple(members.get("samples", ()))})


def _row(figure: Figure) -> str:
    spread = f"{_number(figure.low)} to {_number(figure.high)}" if figure.low and figure.high else ""
    sign = "≤" if figure.lower_is_better else "≥"
    cells = (
        figure.name,
        figure.baseline or "-",
        f"**{_number(figure.value)} {figure.unit}**",
        spread,
        f"{sign} {_number(figure.target)} {figure.unit}",
        "yes" if figure.reached else f"{figure.share:.0%}",
        figure.detail,
    )
    return "| " + " | ".join(cells) + " |"


def _key(figure: Figure) -> tuple[str, str]:
    return figure.name, figure.baseline


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
