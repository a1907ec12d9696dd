# SPDX-License-Identifier: Apache-2.0
"""``d1 campaign``: checks that are too long for the test suite: against oracles, on netlists, for all boards."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from scripts.d1.campaigns import find_campaign
from scripts.d1.commands.campaign_core import core
from scripts.d1.commands.campaign_faults import faults
from scripts.d1.commands.campaign_formal import formal
from scripts.d1.commands.campaign_routers import routers
from scripts.d1.commands.campaign_sizes import sizes
from scripts.d1.errors import ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import Stage, Stages, print_json, print_table

#: Mismatches that are shown.
_SHOWN = 20


@click.group()
def campaign() -> None:
    """Checks that are too long for the test suite."""


campaign.add_command(core)
campaign.add_command(faults)
campaign.add_command(formal)
campaign.add_command(routers)
campaign.add_command(sizes)


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
    oracles = find_campaign("fp32")
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


@campaign.command()
@click.argument("names", metavar="[BOARD]...", nargs=-1)
@click.option("--design", metavar="NAME", help="Default: the largest that fits on each board.")
@click.option("--pnr", is_flag=True, help="Place and route as well, and report the clock that is reached.")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Place and route with so many seeds.  [default: 1 with --pnr]")
@reporting
@click.pass_context
def boards(ctx: click.Context, names: tuple[str, ...], design: str | None, pnr: bool, seeds: int | None, as_json: bool) -> None:
    """Build a design for every board that nodes run on, or for those named, and hold it against their FPGAs.

    Ends with 1 if a design does not fit or a tool fails. Results are kept: what did not change is not built again.
    """
    if seeds is not None and not pnr:
        raise click.UsageError("--seeds is for --pnr")
    builds = find_campaign("boards")
    with contextlib.ExitStack() as stack:
        stages, under_way = Stages(), contextlib.ExitStack()
        stack.enter_context(under_way)
        current: dict[str, Stage] = {}

        def tell(board: str, note: str) -> None:
            if board not in current:
                current[board] = under_way.enter_context(stages.stage(board))
            current[board].advance(None, note)

        def done(outcome: Any) -> None:
            current[outcome.board].note = _in_short(outcome)
            under_way.close()

        outcomes = builds.run(names or builds.tier_one(), tell, design=design, seeds=(seeds or 1) if pnr else 0, done=done)
    if as_json:
        print_json({"passed": all(outcome.passed for outcome in outcomes), "boards": [each.as_dict() for each in outcomes]})
    else:
        kinds = list(dict.fromkeys(kind for outcome in outcomes for kind in outcome.used))
        print_table(
            "boards, after place and route" if pnr else "boards, after synthesis",
            ("board", "design", *kinds, "clock", "Fmax", ""),
            [_board_row(outcome, kinds) for outcome in outcomes],
        )
    if any(outcome.missing for outcome in outcomes):
        ctx.exit(ExitCode.MISSING)
    ctx.exit(ExitCode.PASSED if all(outcome.passed for outcome in outcomes) else ExitCode.FAILED)


def _in_short(outcome: Any) -> str:
    """What a board's build came to, in one line."""
    if outcome.error:
        return f"FAILED: {outcome.error}"
    lut4 = outcome.used.get("LUT4", 0)
    return f"{outcome.what}, {lut4:,} LUT4{_share(lut4, outcome.available.get('LUT4'))}{_fmax(outcome, ', ')}"


def _share(used: int, available: int | None) -> str:
    return f" ({100 * used / available:.0f} %)" if available else ""


def _fmax(outcome: Any, before: str = "") -> str:
    """Median and range over the seeds."""
    if not outcome.fmax_mhz:
        return ""
    least, most = min(outcome.fmax_mhz), max(outcome.fmax_mhz)
    verdict = "" if outcome.fmax_median_mhz >= outcome.clock_mhz else " MISSED"
    return f"{before}{outcome.fmax_median_mhz:.1f} MHz ({least:.1f} to {most:.1f}){verdict}"


def _board_row(outcome: Any, kinds: Sequence[str]) -> tuple[str, ...]:
    areas = [
        f"{outcome.used[kind]:,}{_share(outcome.used[kind], outcome.available.get(kind))}" if kind in outcome.used else ""
        for kind in kinds
    ]
    return outcome.board, outcome.what, *areas, f"{outcome.clock_mhz:g} MHz", _fmax(outcome), outcome.error or "fits"


@campaign.command()
@click.option("--board", "board_name", default="ulx3s-85f", show_default=True, help="With an ECP5.")
@click.option("--step", "step_name", default="node", show_default=True, help="Step of the ladder: hello, memtest, node or array.")
@click.option("--config", "config_name", metavar="NAME", help="Preset of the nodes; default: the board's.")
@click.option("--array", "shape", metavar="RxC", help="Rows x columns of nodes, with step array; default: the board's.")
@click.option("--baud", type=click.IntRange(min=1), help="Rate of the serial line; default: the highest that the clock makes.")
@click.option(
    "--faults",
    type=click.IntRange(0, 1000),
    default=8,
    show_default=True,
    help="Do the step again with so many faults, one at a time: the inverse of a look-up table. One at least has to be seen.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the choice of faults.")
@reporting
@click.pass_context
def netlist(
    ctx: click.Context,
    board_name: str,
    step_name: str,
    config_name: str | None,
    shape: str | None,
    baud: int | None,
    faults: int,
    seed: int,
    as_json: bool,
) -> None:
    """Synthesise a design for a board, simulate the netlist from its pins on, and do a step of the ladder with it.

    Ends with 1 if the netlist fails the step, or passes it with every fault.
    """
    from fpga.boards import find_board
    from fpga.choice import WrongChoice, choose
    from fpga.ladder.steps import STEPS
    from fpga.simulation.rate import fastest_baud

    campaign = find_campaign("netlist")
    if step_name not in STEPS:
        raise click.UsageError(f"there is no step '{step_name}'; steps are {', '.join(STEPS)}")
    design = STEPS[step_name].design_for(find_board(board_name))
    if design is None:
        raise WrongChoice(f"step '{step_name}' is not for {board_name}")
    clock_hz = choose(board_name, design=design, array=shape, config=config_name).settings.clock_hz
    choice = choose(board_name, design=design, array=shape, config=config_name, baud=baud or fastest_baud(clock_hz))
    titles = {"synthesis": "synthesis", "compile": "simulation", "step": f"step {step_name}", "faults": f"{faults} faults"}
    with contextlib.ExitStack() as stack:
        stages, under_way = Stages(), contextlib.ExitStack()
        stack.enter_context(under_way)
        current: dict[str, Stage] = {}

        def tell(stage: str, share: float | None, note: str) -> None:
            if stage not in current:
                under_way.close()
                current[stage] = under_way.enter_context(stages.stage(titles[stage]))
            current[stage].advance(share, note)

        outcome = campaign.run(choice, step_name, tell, faults=faults, seed=seed)
    if as_json:
        print_json({"passed": outcome.good, "what": choice.describe(), "step": step_name, "seed": seed, **_fields(outcome)})
    else:
        print_table(f"netlist of {choice.describe()}", ("cell", "number"), [(k, f"{n:,}") for k, n in outcome.cells.items()])
        for line in outcome.lines:
            click.echo(line)
        if outcome.message:
            click.echo(f"FAILED: {outcome.message}")
        for fault in outcome.faults:
            click.echo(f"fault in {fault.cell}: {fault.message.splitlines()[0] if fault.caught else 'NOT SEEN'}")
        if outcome.faults:
            click.echo(f"{outcome.caught} of {len(outcome.faults)} faults seen")
    ctx.exit(ExitCode.PASSED if outcome.good else ExitCode.FAILED)


def _fields(outcome: Any) -> dict[str, Any]:
    """An outcome's fields as JSON has them, but for those that the command adds itself."""
    fields = asdict(outcome)
    fields["netlist_passed"] = fields.pop("passed")
    return {**fields, "caught": outcome.caught}
