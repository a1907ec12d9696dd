# SPDX-License-Identifier: Apache-2.0
"""``d1 bench network``: latency against load on a mesh of nothing but routers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import click

from golden.config import NodeConfig
from scripts.d1 import network_baselines
from scripts.d1.baselines import read_baselines
from scripts.d1.errors import ExitCode
from scripts.d1.options import ArrayShape, ArrayType, OutputFile, config_option, reporting
from scripts.d1.report import Stages, print_json, print_table
from scripts.network.build import build_harness
from scripts.network.curves import CLASSES, Curve, Job, curves, full_links, zero_load
from scripts.network.measurement import ROUTER_CYCLES, mean, quantile
from scripts.network.patterns import PATTERNS
from scripts.network.plots import FORMATS, plot, plotting

__all__ = ["network"]

#: Arrays that are measured in a time that one waits for.
_LENGTHS = (3, 16)

#: Of larger arrays nine nodes send at zero load, not all.
_ALL_PAIRS_NODES = 64


@dataclass(frozen=True)
class Check:
    """Something that has to hold: what it is, what was found, and whether it holds."""

    what: str
    figure: str
    holds: bool


@click.command()
@config_option("d1")
@click.option("--array", type=ArrayType(), default="8x8", show_default=True, help="Rows x columns of routers.")
@click.option(
    "--pattern", "patterns", multiple=True, metavar="NAME", help="Measure this one; several may be given.  [default: all]"
)
@click.option("--channel-depth", type=int, help="Flits that a router keeps per link and class.  [default: the preset's]")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, help="Of the random packets.")
@click.option("--plot", "plots", type=OutputFile(), multiple=True, help="Draw into this .svg or .png file.")
@reporting
@click.pass_context
def network(
    ctx: click.Context,
    config: NodeConfig,
    array: ArrayShape,
    patterns: tuple[str, ...],
    channel_depth: int | None,
    seed: int,
    plots: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Measure latency against load on a mesh of nothing but routers, each with a source and a sink.

    Sources send packets of one flit at random, sinks take all that arrives. Ends with 1 if single packets do not take a cycle
    per hop, if links cannot all be full at once, or if a count differs from its checked-in baseline.
    """
    for length in (array.rows, array.columns):
        if not _LENGTHS[0] <= length <= _LENGTHS[1]:
            raise click.UsageError(f"--array {array}: rows and columns go from {_LENGTHS[0]} to {_LENGTHS[1]}")
    for name in patterns:
        if name not in PATTERNS:
            raise click.UsageError(f"--pattern '{name}' is not one of {', '.join(PATTERNS)}")
        if not PATTERNS[name].fits(array.rows, array.columns):
            raise click.UsageError(f"--pattern {name} needs an array with as many rows as columns, not {array}")
    if config.link_passes != 1:
        raise click.UsageError(
            f"--config {config.name} has links that carry a flit in {config.link_passes} cycles; choose a preset with 1"
        )
    if channel_depth is not None:
        config = config.replace(channel_depth=channel_depth)
    for file in plots:
        if file.suffix not in FORMATS:
            raise click.UsageError(f"--plot {file}: the name has to end with {' or '.join(FORMATS)}")
    if plots:
        plotting()

    stages = Stages()
    with stages.stage("building a mesh of routers") as stage:
        program = build_harness(config, lambda what, share: stage.advance(share, what))
    chosen = [name for name in patterns or PATTERNS if PATTERNS[name].fits(array.rows, array.columns)]
    jobs = [Job(program, array.rows, array.columns, name, classes, seed) for name in chosen for classes in CLASSES]
    checks = _checks(program, array, stages)
    if config == network_baselines.CONFIG:
        known = read_baselines(network_baselines.FILE)
        for case in network_baselines.CASES:
            equal = network_baselines.measure(case, stages).record() == known.get(case.name)
            checks.append(Check(case.name, "as its baseline" if equal else "NOT as its baseline", equal))
    with stages.stage("latency against load") as stage:
        measured = curves(jobs, stage.advance)
    for file in plots:
        plot(file, f"{array.rows} x {array.columns} routers, buffers of {config.channel_depth} flits", measured)
    passed = all(check.holds for check in checks)
    if as_json:
        print_json(
            {
                "passed": passed,
                "rows": array.rows,
                "columns": array.columns,
                "channel_depth": config.channel_depth,
                "seed": seed,
                "checks": [asdict(check) for check in checks],
                "curves": [each.record() for each in measured],
            }
        )
    else:
        print_table("exact", ("what", "figure"), [(check.what, check.figure) for check in checks])
        print_table("latency (cycles) and throughput (flits per node and cycle)", _HEADER, [_row(each) for each in measured])
    ctx.exit(ExitCode.PASSED if passed else ExitCode.FAILED)


def _checks(program: Path, array: ArrayShape, stages: Stages) -> list[Check]:
    """What has to hold exactly."""
    sites = [(x, y) for y in range(array.rows) for x in range(array.columns)]
    if len(sites) > _ALL_PAIRS_NODES:
        sites = [(x, y) for x in (0, array.columns // 2, array.columns - 1) for y in (0, array.rows // 2, array.rows - 1)]
    with stages.stage("single packets") as stage:
        latencies = zero_load(program, array.rows, array.columns, sites)
        wrong = sum(latency != event.hops + ROUTER_CYCLES for event, latency in latencies.items())
        stage.note = f"{len(latencies):,}"
    with stages.stage("all links at once"):
        full = full_links(program, array.rows, array.columns)
        least = min(full.links.values()) / full.window
    return [
        Check(
            f"zero load, {len(latencies) // 2:,} pairs by each class",
            f"{wrong:,} packets do NOT take hops + {ROUTER_CYCLES} cycles" if wrong else f"hops + {ROUTER_CYCLES} cycles",
            wrong == 0,
        ),
        Check(f"{len(full.links)} links at once", f"{least:g} flits per cycle on each", least == 1),
    ]


#: The load at which a table shows latencies; none if the mesh is saturated before.
_HALF = Fraction(1, 2)

_HEADER = (
    *("pattern", "classes", "zero load", "at half the bound: mean", "median", "99 %"),
    *("bound", "saturation", "of bound", "accepted under overload, of bound"),
)


def _row(curve: Curve) -> tuple[str, ...]:
    half = curve.points[_HALF].histogram if _HALF in curve.points else {}
    return (
        curve.job.pattern,
        curve.job.classes,
        f"{float(curve.job.zero_load_latency):.2f}",
        f"{mean(half):.2f}",
        f"{quantile(half, 0.5):g}",
        f"{quantile(half, 0.99):g}",
        f"{float(curve.job.bound):.3f}",
        f"{float(curve.job.bound * curve.saturation):.3f}",
        f"{float(100 * curve.saturation):.1f} %",
        f"{100 * curve.overload_of_bound:.1f} %",
    )
