# SPDX-License-Identifier: Apache-2.0
"""Plot of weak scaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.network.plots import plotting

__all__ = ["plot"]


def plot(path: Path, measured: Sequence[Mapping[str, Any]]) -> None:
    """Draws how busy the matrix units are, mean and least, over the number of nodes.

    Parameters
    ----------
    path : Path
        It ends with ``.svg`` or ``.png``.
    measured : sequence of mappings
        Figures as :func:`scripts.d1.array_baselines.figures` gives them.

    Raises
    ------
    ToolMissing
        If Matplotlib is not installed.
    """
    plotting()
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    nodes = [each["nodes"] for each in measured]
    for key, label, style in (("utilisation", "mean of the nodes", "o-"), ("least_utilisation", "least of them", "x--")):
        axes.plot(nodes, [100 * each[key] for each in measured], style, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(nodes, [str(count) for count in nodes])
    axes.set(title="a block of 256 x 256 of A, B and C per node", xlabel="nodes", ylabel="matrix unit busy (%)", ylim=(90, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
