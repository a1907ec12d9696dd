# SPDX-License-Identifier: Apache-2.0
"""Plot of weak scaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.network.plots import plotting

__all__ = ["plot"]


def plot(path: Path, scaling: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
    """Draws how busy the matrix units are, mean and least, over the number of nodes.

    Parameters
    ----------
    path : Path
        It ends with ``.svg`` or ``.png``.
    scaling : mapping of int to sequence of mappings
        Edge of the blocks, and figures as :func:`scripts.d1.array_baselines.figures` gives them.

    Raises
    ------
    ToolMissing
        If Matplotlib is not installed.
    """
    plotting()
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for block, measured in scaling.items():
        nodes = [each["nodes"] for each in measured]
        for key, of, style in (("utilisation", "mean", "o-"), ("least_utilisation", "least", "x--")):
            label, colour = f"blocks of {block}×{block}, {of}", f"C{list(scaling).index(block)}"
            axes.plot(nodes, [100 * each[key] for each in measured], style, color=colour, label=label)
    counts = sorted({each["nodes"] for measured in scaling.values() for each in measured})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set(xlabel="nodes, each with a block of A, B and C", ylabel="matrix unit busy (%)", ylim=(80, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
