# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign faults``: routing around whatever is dead."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict

import click

from scripts.d1.campaigns import find_campaign
from scripts.d1.errors import ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import Stages, print_json, print_table

__all__ = ["faults"]

#: Arrays with a problem that are shown.
_SHOWN = 5


@click.command()
@click.option("--side", type=click.IntRange(2, 16), default=8, show_default=True, help="Rows and columns of the arrays.")
@click.option(
    "--random", "count", type=click.IntRange(0, 10**9), default=1000, show_default=True, help="Arrays with random faults."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the random faults.")
@click.option("--processes", type=click.IntRange(1, 1024), help="Worker processes.  [default: one for each core]")
@reporting
@click.pass_context
def faults(ctx: click.Context, side: int, count: int, seed: int, processes: int | None, as_json: bool) -> None:
    """Route around every single dead node, every single dead link, and random faults.

    Of each array the routes are proved, and a packet of each node to each and of the host goes by them on the golden model; or it
    is refused, if nodes cannot be reached, with the names of just these. Ends with 1 if anything else happens.
    """
    campaign = find_campaign("faults")
    start = time.monotonic()
    with Stages().stage(f"faults of {side}x{side} nodes") as stage:

        def tell(done: int, total: int, failed: int) -> None:
            stage.advance(done / total, f"{done} of {total}" + (f", {failed} FAILED" if failed else ""))

        outcomes = campaign.run(side, count, seed, tell, processes=processes)
        bad = [outcome for outcome in outcomes if outcome.problem]
        stage.note = f"{len(bad)} of {len(outcomes)} FAILED" if bad else f"all {len(outcomes)} arrays as they should be"
    seconds = time.monotonic() - start
    summaries = {kind: campaign.Summary() for kind in campaign.KINDS}
    for outcome in outcomes:
        summaries[outcome.kind].add(outcome)
    if as_json:
        print_json(
            {
                "passed": not bad,
                "side": side,
                "seed": seed,
                "kinds": {
                    kind: {
                        **asdict(summary),
                        "detours": {"mean": _mean(summary.detours), "worst": max(summary.detours, default=1.0)},
                    }
                    for kind, summary in summaries.items()
                },
                "failed": [{"array": outcome.topology.as_dict(), "problem": outcome.problem} for outcome in bad[:_SHOWN]],
                "seconds": seconds,
            }
        )
    else:
        rows = [
            (
                kind,
                str(summary.arrays),
                str(summary.refused),
                f"{100 * (_mean(summary.detours) - 1):.2f} %",
                f"{100 * (max(summary.detours, default=1.0) - 1):.2f} %",
                str(summary.worst_detour),
                f"{summary.load:.2f}",
            )
            for kind, summary in summaries.items()
        ]
        header = (
            "faults",
            "arrays",
            "refused",
            "longer ways",
            "in the worst array",
            "worst way, links more",
            "busiest link, packets per node",
        )
        print_table(f"{side}x{side} nodes, seed {seed}, {seconds:.0f} s", header, rows)
        for outcome in bad[:_SHOWN]:
            click.echo(
                f"FAILED: {outcome.problem}; to look at it, give this to d1 array as a file:\n{outcome.topology.to_json()}"
            )
    ctx.exit(ExitCode.FAILED if bad else ExitCode.PASSED)


def _mean(values: list[float]) -> float:
    return statistics.fmean(values) if values else 1.0
