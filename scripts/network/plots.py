# SPDX-License-Identifier: Apache-2.0
"""Plots of latency against load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from scripts.network.curves import Curve
from scripts.network.measurement import mean
from scripts.simulator.errors import ToolMissing

__all__ = ["FORMATS", "plot", "plotting"]

#: File name extensions.
FORMATS = (".svg", ".png")

#: Mean latencies above this many times those at zero load are not shown.
_SHOWN = 6


def plotting() -> ModuleType:
    """Matplotlib, which draws without a screen.

    Raises
    ------
    ToolMissing
        If it is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise ToolMissing("matplotlib, which draws plots,", "install it: pip install 'opend1[plots]'") from None
    matplotlib.use("agg")
    # Equal curves give equal files.
    matplotlib.rcParams["svg.hashsalt"] = "d1"
    return matplotlib


def plot(path: Path, title: str, curves: Sequence[Curve]) -> None:
    """Draws mean latencies over the load that is offered, as a part of what no mesh can exceed, one line each.

    Parameters
    ----------
    path : Path
        Its extension is one of ``FORMATS``.
    title : str
    curves : sequence of Curve
        Those of a pattern have a colour, those of both classes are dashed.

    Raises
    ------
    ToolMissing
        If Matplotlib is not installed.
    """
    plotting()
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    colours = {pattern: f"C{n}" for n, pattern in enumerate(dict.fromkeys(each.job.pattern for each in curves))}
    top = _SHOWN * max(float(each.job.zero_load_latency) for each in curves)
    for each in curves:
        loads, latencies = [0.0], [float(each.job.zero_load_latency)]
        for part, measured in each.points.items():
            loads.append(float(100 * part))
            latencies.append(mean(measured.histogram))
            if not latencies[-1] <= top:
                break
        both = each.job.classes == "both"
        label = f"{each.job.pattern}, {'requests and responses' if both else 'requests'}"
        axes.plot(loads, latencies, "--" if both else "-", color=colours[each.job.pattern], label=label, marker=".")
    axes.set(
        title=title,
        xlabel="offered load (% of the bound)",
        ylabel="mean latency (cycles)",
        ylim=(0, top),
        xlim=(0, 100),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="upper left")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
