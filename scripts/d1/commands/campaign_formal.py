# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign formal``: proofs of the core."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from types import ModuleType

import click

from scripts.d1.campaigns import find_campaign
from scripts.d1.errors import ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import Stages, print_json, print_table

__all__ = ["formal"]


@click.command()
@click.argument("names", metavar="[CHECK]...", nargs=-1)
@click.option("--depth", type=int, default=10, show_default=True, help="Cycles from the start of a thread.")
@click.option("--processes", type=click.IntRange(1, 1024), help="Worker processes.  [default: one for each core]")
@click.option("--mistakes", is_flag=True, help="Have checks find mistakes planted in the core, each where it shows.")
@click.option("--list", "only_list", is_flag=True, help="Name the checks, and make none.")
@reporting
@click.pass_context
def formal(
    ctx: click.Context,
    names: tuple[str, ...],
    depth: int,
    processes: int | None,
    mistakes: bool,
    only_list: bool,
    as_json: bool,
) -> None:
    """Prove properties of the pipelined core, whatever program it runs, for so many cycles from the start of a thread.

    CHECKs are named like 'narrow/insn_add', or 'narrow' for all of a setting; default: all. Ends with 1 if one fails, or is put
    to no test; with --mistakes, if one does not find what is planted for it.
    """
    proofs = find_campaign("formal")
    known = proofs.names()
    if only_list:
        if as_json:
            print_json({"checks": known})
        else:
            click.echo("\n".join(known))
        return
    settings = list(dict.fromkeys(name.split("/")[0] for name in known))
    for name in names:
        if name not in known and name not in settings:
            raise click.UsageError(f"there is no check '{name}'; settings are {', '.join(settings)}, and --list names the checks")
    if depth < proofs.LEAST_DEPTH:
        raise click.UsageError(f"--depth {depth} is less than {proofs.LEAST_DEPTH}, in which nothing is put to the test")
    if mistakes:
        if ctx.get_parameter_source("depth") is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("--depth does not go with --mistakes, each of which has a cycle of its own")
        ctx.exit(_find_mistakes(proofs, names or settings, processes, as_json))
    start = time.monotonic()
    with Stages().stage(f"properties of the core, {depth} cycles") as stage:
        outcomes = proofs.run(names or settings, depth, lambda what, share: stage.advance(share, what), processes=processes)
        bad = [outcome for outcome in outcomes if not outcome.good]
        stage.note = f"{len(bad)} of {len(outcomes)} FAILED" if bad else f"{len(outcomes)} proved"
    seconds = time.monotonic() - start
    if as_json:
        print_json({"passed": not bad, "depth": depth, "checks": [asdict(each) for each in outcomes], "seconds": seconds})
    else:
        rows = [
            (
                f"{each.setting}/{each.check}",
                "proved" if each.proved else "FAILS",
                str(each.depth),
                "never" if each.reached is None else str(each.reached),
                f"{each.seconds:.0f} s",
            )
            for each in outcomes
        ]
        print_table(f"properties of the core, {seconds:.0f} s", ("check", "", "cycles", "tested from", "time"), rows)
        for each in bad:
            for cycle, ports in enumerate(each.run):
                shown = {name: value for name, value in ports.items() if name.startswith("rvfi_")}
                if shown.get("rvfi_valid"):
                    click.echo(f"{each.setting}/{each.check} cycle {cycle}: " + " ".join(f"{k}={v:#x}" for k, v in shown.items()))
    ctx.exit(ExitCode.FAILED if bad else ExitCode.PASSED)


def _find_mistakes(proofs: ModuleType, names: Sequence[str], processes: int | None, as_json: bool) -> ExitCode:
    """Look for planted mistakes, and report."""
    start = time.monotonic()
    with Stages().stage("mistakes planted in the core") as stage:
        findings = proofs.find_mistakes(names, lambda what, share: stage.advance(share, what), processes=processes)
        missed = [finding for finding in findings if finding.depth is None]
        stage.note = f"{len(missed)} of {len(findings)} MISSED" if missed else f"{len(findings)} found"
    seconds = time.monotonic() - start
    if as_json:
        print_json({"passed": not missed, "mistakes": [asdict(each) for each in findings], "seconds": seconds})
    else:
        rows = [
            (
                f"{each.setting}/{each.check}",
                each.mistake,
                "MISSED" if each.depth is None else "found",
                "" if each.depth is None else str(each.depth),
                f"{each.seconds:.0f} s",
            )
            for each in findings
        ]
        print_table(f"mistakes planted in the core, {seconds:.0f} s", ("check", "mistake", "", "cycles", "time"), rows)
    return ExitCode.FAILED if missed else ExitCode.PASSED
