# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign routers``: proofs of routers."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from scripts.d1.campaigns import find_campaign
from scripts.d1.errors import ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import Stages, print_json, print_table

__all__ = ["routers"]


@click.command()
@click.argument("names", metavar="[PROOF]...", nargs=-1)
@click.option("--depth", type=int, default=9, show_default=True, help="Cycles from reset.")
@click.option("--list", "only_list", is_flag=True, help="Name the proofs, and make none.")
@reporting
@click.pass_context
def routers(ctx: click.Context, names: tuple[str, ...], depth: int, only_list: bool, as_json: bool) -> None:
    """Prove for so many cycles that a router loses, doubles, changes and misleads nothing, and that a square does not halt.

    PROOFs are named like 'router/south-request', by where flits come in; default: all. Ends with 1 if one fails.
    """
    proofs = find_campaign("routers")
    known = proofs.names()
    if only_list:
        if as_json:
            print_json({"proofs": known})
        else:
            click.echo("\n".join(known))
        return
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no proof '{name}'; --list names them")
    if depth < proofs.LEAST_DEPTH:
        raise click.UsageError(f"--depth {depth} is less than {proofs.LEAST_DEPTH}, in which nothing that is stuck shows")
    start = time.monotonic()
    with Stages().stage(f"routers, {depth} cycles") as stage:
        outcomes = proofs.run(names or known, depth, lambda what, share: stage.advance(share, what))
        bad = [outcome for outcome in outcomes if outcome.check]
        stage.note = f"{len(bad)} of {len(outcomes)} FAILED" if bad else f"{len(outcomes)} proved"
    seconds = time.monotonic() - start
    if as_json:
        print_json({"passed": not bad, "depth": depth, "proofs": [asdict(each) for each in outcomes], "seconds": seconds})
    else:
        rows = [
            (each.name, f"FAILS: {each.check} in cycle {each.cycle}" if each.check else "proved", f"{each.seconds:.0f} s")
            for each in outcomes
        ]
        print_table(f"routers, {depth} cycles, {seconds:.0f} s", ("proof", "", "time"), rows)
    ctx.exit(ExitCode.FAILED if bad else ExitCode.PASSED)
