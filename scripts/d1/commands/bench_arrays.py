# SPDX-License-Identifier: Apache-2.0
"""``d1 bench arrays``: matrix products whose operands are spread over arrays, up to a die of 354 nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from golden.config import preset
from scripts.d1.errors import ExitCode
from scripts.d1.options import OutputFile, reporting
from scripts.d1.report import Stages, print_json, print_table
from scripts.network.plots import FORMATS, plotting

__all__ = ["arrays"]

_GROUPS = ("small", "weak-scaling", "die")

#: Threads of the engine with which the die is simulated.
_THREADS = (1, 2)


@click.command()
@click.option(
    "--only", "groups", type=click.Choice(_GROUPS), multiple=True, help="Measure this group; may be repeated.  [default: all]"
)
@click.option(
    "--largest",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Rows of nodes, up to which weak scaling goes.",
)
@click.option("--write-baselines", is_flag=True, help="Check the exact counts of what is measured in anew.")
@click.option("--plot", "plots", type=OutputFile(), multiple=True, help="Draw into this .svg or .png file.")
@reporting
@click.pass_context
def arrays(
    ctx: click.Context, groups: tuple[str, ...], largest: int, write_baselines: bool, plots: tuple[Path, ...], as_json: bool
) -> None:
    """Measure matrix products whose operands are spread over the nodes of an array: cycles, how busy the matrix units are, and
    the speed and memory of the simulator.

    The die is simulated with a product, saturated (all threads of all nodes make matrix steps without end), and with one busy
    node. Every result is compared with the golden model bit for bit. Weak scaling gives each node a block of 128 x 128, or
    256 x 256, of each matrix. All together take a quarter of an hour or more; --only and --largest take a part. Ends with 1 if a
    cycle count differs from its checked-in baseline.
    """
    from scripts.d1 import array_baselines as cases
    from scripts.d1.array_plots import plot
    from scripts.d1.backends import build_simulator
    from scripts.d1.baselines import read_baselines
    from scripts.d1.baselines import write_baselines as write

    for file in plots:
        if file.suffix not in FORMATS:
            raise click.UsageError(f"--plot {file}: the name has to end with {' or '.join(FORMATS)}")
    if plots:
        plotting()
    chosen = groups or _GROUPS
    products = [*cases.SMALL] if "small" in chosen else []
    if "weak-scaling" in chosen:
        products += [case for each in cases.WEAK_SCALING.values() for case in each if case.topology.rows <= largest]
    stages = Stages()
    for config in ("tiny", "d1") if "small" in chosen else ("d1",):
        build_simulator(preset(config), "macro", None, stages)
    known = read_baselines(cases.FILE)
    measured: dict[str, dict[str, Any]] = {}
    die: dict[str, Any] = {}
    for case in dict.fromkeys(products):
        with stages.stage(case.name) as stage:
            measured[case.name] = cases.alone(cases.figures, case)
            stage.note = f"{measured[case.name]['record']['cycles']:,} cycles"
    for threads in _THREADS if "die" in chosen else ():
        with stages.stage(f"{cases.DIE.name}, {threads} threads") as stage:
            measured[cases.DIE.name] = busy = cases.alone(cases.figures, cases.DIE, threads)
            stage.note = f"{busy['cycles_per_second']:,.0f} cycles/s"
        with stages.stage(f"{cases.DIE.array} with one busy node, {threads} threads") as stage:
            idle = cases.alone(cases.idle_figures, cases.DIE, threads)
            stage.note = f"{idle['cycles_per_second']:,.0f} cycles/s"
        with stages.stage(f"{cases.DIE.array} saturated, {threads} threads") as stage:
            saturated = cases.alone(cases.saturated_figures, cases.DIE, threads)
            stage.note = f"{saturated['cycles_per_second']:,.0f} cycles/s"
        die[str(threads)] = {"busy": busy, "saturated": saturated, "idle": idle}
    if write_baselines:
        known |= {name: each["record"] for name, each in measured.items()}
        write({case.name: known[case.name] for case in cases.CASES if case.name in known}, cases.FILE)
    for name, each in measured.items():
        each["as_baseline"] = each["record"] == known.get(name)
    passed = all(each["as_baseline"] for each in measured.values())
    for file in plots:
        scaling = {
            block: [measured[case.name] for case in each if case.name in measured] for block, each in cases.WEAK_SCALING.items()
        }
        plot(file, scaling)
    if as_json:
        print_json({"passed": passed, "products": measured, "die": die})
    else:
        print_table("products with spread operands", _HEADER, [_row(name, each) for name, each in measured.items()])
        if die:
            print_table(
                f"simulation of {cases.DIE.array}",
                ("threads", "product", "saturated", "node-cycles/s", "steps per cycle", "one busy node", "memory"),
                [_die_row(*each) for each in die.items()],
            )
    ctx.exit(ExitCode.PASSED if passed else ExitCode.FAILED)


_HEADER = (
    *("product", "cycles", "", "matrix units busy, mean", "least"),
    *("cycles/s", "per processor second", "node-cycles/s", "memory", "load"),
)


def _row(name: str, each: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{each['record']['cycles']:,}",
        "as its baseline" if each["as_baseline"] else "NOT as its baseline",
        f"{100 * each['utilisation']:.1f} %",
        f"{100 * each['least_utilisation']:.1f} %",
        f"{each['cycles_per_second']:,.0f}",
        f"{each['cycles_per_processor_second']:,.0f}",
        f"{each['node_cycles_per_second']:,.0f}",
        f"{each['peak_bytes'] / (1 << 20):,.0f} MiB",
        " to ".join(f"{load:.1f}" for load in each["load"]),
    )


def _die_row(threads: str, each: dict[str, Any]) -> tuple[str, ...]:
    busy, saturated, idle = each["busy"], each["saturated"], each["idle"]
    return (
        threads,
        f"{busy['cycles_per_second']:,.0f} cycles/s",
        f"{saturated['cycles_per_second']:,.0f} cycles/s",
        f"{saturated['node_cycles_per_second']:,.0f}",
        f"{saturated['steps_per_cycle']:.3f}",
        f"{idle['cycles_per_second']:,.0f} cycles/s",
        f"{max(each['peak_bytes'] for each in (busy, saturated, idle)) / (1 << 20):,.0f} MiB",
    )
