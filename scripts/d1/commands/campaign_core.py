# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign core``: random programs on compiled nodes in lock-step with the golden model."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

import click

from scripts.d1.campaigns import find_campaign
from scripts.d1.errors import ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import Stage, Stages, print_json, print_table

#: Names that are listed of what was never executed.
_LISTED = 12


@click.command()
@click.option(
    "--config", "configs", metavar="NAME", multiple=True, help="Configuration, also several times; default: six of them."
)
@click.option(
    "--instructions",
    type=click.IntRange(1, 10**12),
    default=10_000_000,
    show_default=True,
    help="Retired instructions in all, in equal shares on each configuration.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the programs.")
@click.option("--program", type=click.IntRange(min=0), help="Run this one program of the seed; needs one --config.")
@click.option("--processes", type=click.IntRange(1, 1024), help="Worker processes.  [default: one for each core]")
@reporting
@click.pass_context
def core(
    ctx: click.Context,
    configs: tuple[str, ...],
    instructions: int,
    seed: int,
    program: int | None,
    processes: int | None,
    as_json: bool,
) -> None:
    """Run random programs on arrays of compiled nodes in lock-step with the golden model.

    Compared are what every thread retires, late and vector writes, registers, memory, semaphores and counters. Equal seeds give
    equal programs, whatever the number of processes. Ends with 1 if anything differs, and tells what repeats that program.
    """
    if program is not None and len(configs) != 1:
        raise click.UsageError("--program is a program of one configuration, which --config names")
    campaign = find_campaign("core")
    names = configs or campaign.DEFAULT_CONFIGS
    unknown = [name for name in names if name not in campaign.CONFIGS]
    if unknown:
        raise click.UsageError(f"there is no configuration '{unknown[0]}'; there are {', '.join(campaign.CONFIGS)}")
    share = -(-instructions // len(names))
    with contextlib.ExitStack() as stack:
        stages, under_way = Stages(), contextlib.ExitStack()
        stack.enter_context(under_way)
        current: dict[str, Stage] = {}

        def stage_of(title: str) -> Stage:
            if title not in current:
                under_way.close()
                current[title] = under_way.enter_context(stages.stage(title))
            return current[title]

        def tell(config: str, report: Any) -> None:
            stage, tally = stage_of(f"programs on {config}"), report.tallies[config]
            stage.note = f"{tally.instructions:,} instructions, {tally.instructions / max(stage.seconds, 1e-3):,.0f} per second"
            if report.differences:
                stage.note += f", {len(report.differences)} programs differ"
            stage.advance(min(1.0, tally.instructions / share) if program is None else None, stage.note)

        def tell_build(config: str) -> Any:
            return lambda what, done: stage_of(f"simulator of {config}").advance(done, what)

        report = campaign.run(
            instructions, seed, tell, configs=names, processes=processes, program=program, build_progress=tell_build
        )
    if as_json:
        print_json(_as_json(report, seed))
    else:
        _print(report, seed)
    if report.interrupted:
        ctx.exit(ExitCode.INTERRUPTED)
    ctx.exit(ExitCode.FAILED if report.differences else ExitCode.PASSED)


def _as_json(report: Any, seed: int) -> dict[str, Any]:
    coverage = report.coverage
    return {
        "passed": not report.differences and not report.interrupted,
        "interrupted": report.interrupted,
        "seed": seed,
        "seconds": report.seconds,
        "instructions": report.total.instructions,
        "configs": {name: asdict(tally) for name, tally in report.tallies.items()},
        "differences": [{**asdict(found), "command": found.command} for found in report.differences],
        "coverage": {
            "instructions": dict(coverage.instructions),
            "causes": {cause.name: count for cause, count in coverage.causes.items()},
            "csrs_read": dict(coverage.csrs_read),
            "csrs_written": dict(coverage.csrs_written),
            "pairs": {f"{first}, {second}": count for (first, second), count in coverage.pairs.items()},
            "missing": {
                "instructions": coverage.missing_instructions,
                "causes": coverage.missing_causes,
                "csrs": coverage.missing_csrs,
                "pairs": [f"{first}, {second}" for first, second in coverage.missing_pairs],
            },
        },
    }


def _print(report: Any, seed: int) -> None:
    def rate(instructions: int, seconds: float) -> str:
        return f"{instructions / seconds:,.0f}" if seconds else ""

    rows = [
        (
            name,
            f"{tally.programs:,}",
            f"{tally.instructions:,}",
            f"{tally.cycles:,}",
            rate(tally.instructions, tally.engine_seconds),
            rate(tally.instructions, tally.golden_seconds),
        )
        for name, tally in (*report.tallies.items(), ("all", report.total))
    ]
    print_table(
        f"random programs, seed {seed}, {report.seconds:.0f} s{', interrupted' if report.interrupted else ''}",
        ("configuration", "programs", "instructions", "cycles", "compiled node, per second", "golden model, per second"),
        rows,
    )
    _print_coverage(report.coverage)
    for number, found in enumerate(report.differences):
        click.echo(f"{found.config}: {found.what}")
        if number == 0 and found.context:
            click.echo(found.context)
        click.echo(f"  again: {found.command}")


def _print_coverage(coverage: Any) -> None:
    from golden.isa import INSTRUCTIONS
    from golden.layout import CSR_NUMBERS, Cause

    def row(what: str, all_of_them: int, missing: list[str]) -> tuple[str, str, str]:
        listed = ", ".join(missing[:_LISTED]) + (f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else "")
        return what, f"{all_of_them - len(missing)} of {all_of_them}", listed

    pairs = [f"{first}-{second}" for first, second in coverage.missing_pairs]
    rows = [
        row("instructions", len(INSTRUCTIONS), coverage.missing_instructions),
        row("causes of traps", len(Cause), coverage.missing_causes),
        row("CSRs", len(CSR_NUMBERS), coverage.missing_csrs),
        row("pairs of pipes in a cycle", len(coverage.possible_pairs), pairs),
    ]
    print_table("executed", ("", "", "never"), rows)
    traps = [(cause.name, f"{coverage.causes[cause]:,}") for cause in Cause]
    print_table("traps", ("cause", "times"), traps)
    names = type(coverage).PIPES
    pair_rows = [(first, *(f"{coverage.pairs[first, second]:,}" for second in names)) for first in names]
    print_table("pipes of one thread's instructions in the same cycle: first by second", ("", *names), pair_rows)
