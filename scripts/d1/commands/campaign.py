# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign``: comparisons of the model with independent oracles that are too long for the test suite."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from types import ModuleType

import click

from scripts.d1.errors import CommandError, ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import Stages, print_json, print_table

#: Mismatches that are shown.
_SHOWN = 20

#: Packages whose absence is a defect of the project, and no missing extra.
_ROOMS = ("golden", "rtl", "scripts", "sw", "verif")


def _oracles() -> ModuleType:
    """The campaign of binary32, or CommandError if the packages that it compares with are not installed."""
    try:
        from verif.campaigns import fp32 as campaign
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _ROOMS:
            raise
        raise CommandError(
            f"the campaign compares with the Python package '{package}', which is not installed; it belongs to the test extras: "
            "pip install -e '.[test]', or make test",
            ExitCode.MISSING,
        ) from None
    return campaign


@click.group()
def campaign() -> None:
    """Long comparisons with independent oracles."""


@campaign.command()
@click.option(
    "--pairs",
    type=click.IntRange(1, 10**12),
    default=10_000_000,
    show_default=True,
    help="Random operands of each operation; three operands where it takes three.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the random operands.")
@click.option("--processes", type=click.IntRange(1, 1024), help="Worker processes.  [default: one for each core]")
@reporting
@click.pass_context
def fp32(ctx: click.Context, pairs: int, seed: int, processes: int | None, as_json: bool) -> None:
    """Compare the model's FP32 operations with SoftFloat, NumPy and integers: every bit of results and flags.

    Equal seeds give equal operands, whatever the number of processes. Ends with 1 if anything differs.
    """
    oracles = _oracles()
    operations = tuple(oracles.fp32_oracle.OPERATIONS)
    compared: Counter[str] = Counter()
    start = time.monotonic()
    with Stages().stage(f"FP32 operations, {pairs:,} operands of each") as stage:

        def tell(operation: str, count: int) -> None:
            compared[operation] += count
            stage.advance(compared.total() / (pairs * len(operations)), operation)

        mismatches = oracles.run(pairs, seed, tell, processes=processes)
        stage.note = f"{len(mismatches)} mismatches" if mismatches else "all bits and flags equal"
    seconds = time.monotonic() - start
    wrong = Counter(mismatch.operation for mismatch in mismatches)
    if as_json:
        print_json(
            {
                "passed": not mismatches,
                "pairs": pairs,
                "seed": seed,
                "operations": {each: {"compared": compared[each], "mismatches": wrong[each]} for each in operations},
                "mismatches": [asdict(mismatch) for mismatch in mismatches[:_SHOWN]],
                "seconds": seconds,
            }
        )
    else:
        rows = [(each, f"{compared[each]:,}", str(wrong[each]) if wrong[each] else "all equal") for each in operations]
        print_table(f"FP32 operations, seed {seed}, {seconds:.0f} s", ("operation", "operands", "mismatches"), rows)
        for mismatch in mismatches[:_SHOWN]:
            click.echo(str(mismatch))
    ctx.exit(ExitCode.FAILED if mismatches else ExitCode.PASSED)
