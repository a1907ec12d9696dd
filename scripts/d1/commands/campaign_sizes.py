# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign sizes``: every size of the pipelined core in lock-step with the golden model, with its speed and its area."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scripts.d1.campaigns import find_campaign
from scripts.d1.errors import ExitCode
from scripts.d1.options import OutputFile, reporting
from scripts.d1.report import Stages, print_json, print_table


@click.command()
@click.option(
    "--only",
    "names",
    metavar="THREADS/FETCH/DECODE/ISSUE",
    multiple=True,
    help="A size such as 4/16/4/2, also several times; default: all sizes.",
)
@click.option("--processes", type=click.IntRange(1, 1024), help="Worker processes.  [default: one for each core]")
@click.option("--kept", is_flag=True, help="Measure nothing: list what earlier runs have found out.")
@click.option("--missing", is_flag=True, help="Measure only what the record lacks of the hardware as it is now.")
@click.option(
    "--write",
    "page",
    type=OutputFile(),
    help="Write the list as a Markdown page, with what is known of other sizes, and the record, verif/sizes/measured.json.",
)
@reporting
@click.pass_context
def sizes(
    ctx: click.Context, names: tuple[str, ...], processes: int | None, kept: bool, missing: bool, page: Path | None, as_json: bool
) -> None:
    """Build every size of the pipelined core, compare it with the golden model, and measure its speed and its area.

    Results are kept by contents: a run that was interrupted goes on where it ended, and what did not change is not measured
    again; --write puts them into the repository's record as well. Ends with 1 if a size fails, and tells what repeats it.
    """
    campaign = find_campaign("sizes")
    from verif.sizes.grid import SIZES, Size, parse_size

    try:
        chosen = [parse_size(name) for name in dict.fromkeys(names)] or list(SIZES)
    except ValueError as error:
        raise click.UsageError(f"--only: {error}") from None
    try:
        lacking = campaign.missing(chosen)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if missing:
        chosen = lacking
    outcomes: list[Any] = []
    with Stages().stage(f"{len(chosen)} sizes") as stage:

        def tell(size: Size, note: str) -> None:
            stage.advance(len(outcomes) / max(1, len(chosen)), f"{len(outcomes)} of {len(chosen)} done; {size}: {note}")

        if kept:
            outcomes += campaign.known(chosen)
        else:
            for outcome in campaign.run(chosen, tell, processes=processes):
                outcomes.append(outcome)
                tell(outcome.size, "done")
                for message in outcome.errors:
                    click.echo(f"{outcome.size} FAILED: {message}", err=True)
        failed = [outcome for outcome in outcomes if outcome.errors]
        stage.note = f"{len(outcomes) - len(failed)} do what the golden model does, {len(failed)} failed"
        if kept:
            stage.note += f", {len(chosen) - len(outcomes)} not measured"
    if page is not None:
        others = set(SIZES) - {outcome.size for outcome in outcomes}
        campaign.record(outcomes)
        page.write_text(campaign.markdown([*outcomes, *campaign.known(others)], page.as_posix()))
    if as_json:
        print_json({"passed": not failed, "sizes": [outcome.as_dict() for outcome in sorted(outcomes, key=lambda o: o.size)]})
    else:
        good = sorted((outcome for outcome in outcomes if not outcome.errors), key=lambda outcome: outcome.size)
        print_table(
            "sizes: threads/fetch/decode/issue; areas are sums over modules that are synthesised alone",
            campaign.COLUMNS,
            [campaign.row(outcome) for outcome in good],
        )
        for outcome in failed:
            click.echo(f"{outcome.size} FAILED; to repeat it: {outcome.command}")
    ctx.exit(ExitCode.FAILED if failed else ExitCode.PASSED)
