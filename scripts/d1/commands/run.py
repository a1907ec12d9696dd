# SPDX-License-Identifier: Apache-2.0
"""``d1 run``: loads a program into every node of an array, runs it and reports how each node ended."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from golden.config import NodeConfig, preset
from golden.topology import Topology
from scripts.d1.checkpoints import CheckpointChoice, checkpoint_options
from scripts.d1.edge_memories import MemoryFile, check_memory_files, fill_memories, memory_facts, memory_option, print_memories
from scripts.d1.errors import ExitCode
from scripts.d1.link_kills import LinkKill, check_kills, kill_link_option, unmade
from scripts.d1.options import (
    ArrayShape,
    OutputFile,
    PipelineView,
    arithmetic_option,
    backend_options,
    board_array_option,
    board_config_option,
    check_board_options,
    is_port,
    max_cycles_option,
    pipeline_options,
    ranks_option,
    reporting,
)
from scripts.d1.report import Stages, print_json, print_table

CONFIG = "d1"
ARRAY = ArrayShape(1, 1)


@click.command()
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@board_config_option(CONFIG)
@board_array_option(str(ARRAY))
@backend_options
@arithmetic_option
@max_cycles_option
@memory_option
@kill_link_option
@click.option("--trace", type=OutputFile(), help="Write what every thread retires, disassembled.")
@pipeline_options
@click.option("--waves", type=OutputFile(), help="Write a VCD of every signal (rtl only).")
@checkpoint_options(
    "Go on with PROGRAM from a checkpoint, which says what array it is.", ("config", "array", "arithmetic", "memory")
)
@ranks_option
@reporting
@click.pass_context
def run(
    ctx: click.Context,
    program: Path,
    config: NodeConfig | None,
    array: ArrayShape | None,
    backend: str,
    baud: int | None,
    arithmetic: str,
    max_cycles: int,
    memory: tuple[MemoryFile, ...],
    kill_link: tuple[LinkKill, ...],
    trace: Path | None,
    pipeline: PipelineView | None,
    waves: Path | None,
    checkpoints: CheckpointChoice,
    as_json: bool,
) -> None:
    """Run PROGRAM, an ELF executable or assembler source (.s), on every node, or on those that it names.

    A program names nodes by a table of 16-bit numbers at the symbol d1_placement: how many, then row and column of each.
    Thread 0 of each node starts at the program's entry. It ends with the halt instruction or by a store to tohost. The
    exit code is 0 only if every node ended with success, which means exit code 0 and no trap, and lost nothing: no network error
    without a trap, failed list, ignored start of a list, post to a full semaphore, or dropped response.

    What a program writes through the host, as Spike has it, appears as it comes, and is in the JSON object as "console".
    Then follows what each thread has counted, "counters" in JSON: instructions by pipe, and the cycles that it issued nothing in,
    by cause. The golden model does not model cycles.

    Where the array has memories, what each of them has done is told as well ("memories" in JSON).

    A link that dies loses what is on it. Then the run fails, and names what was lost and who waits for it ("links" and "waiting"
    in JSON); without a loss it passes as ever.

    Checkpoints, and arrays that are spread over processes and machines: docs/large-arrays.md.
    """
    from scripts.d1.backends import open_array, show_progress
    from scripts.d1.boards import open_board
    from scripts.d1.checkpoints import Checkpointer, program_facts, resumed
    from scripts.d1.counters import print_counters
    from scripts.d1.output import ProgramOutput
    from scripts.d1.programs import load_program_file
    from scripts.simulator.checkpoint import read_checkpoint
    from sw.counters import read_counters
    from sw.host import placement, run_program
    from sw.run_state import RunState

    kanata = pipeline if pipeline and pipeline.asked else None
    simulated = {"trace": trace, "kanata": kanata, "waves": waves, "memory": memory or None, "kill-link": kill_link or None}
    check_board_options(backend, baud, **simulated)
    stages = Stages()
    topology: Topology | None = None
    state = RunState()
    with contextlib.ExitStack() as stack:
        if is_port(backend):
            # What the program is assembled for is known when the board has answered.
            opened = stack.enter_context(open_board(backend, baud, config, array, stages))
            contents = load_program_file(program, opened.array.config)
        else:
            saved = read_checkpoint(checkpoints.resume) if checkpoints.resume else None
            config = saved.config if saved else config or preset(CONFIG)
            contents = load_program_file(program, config)
            shape = array or ARRAY
            if saved is not None:
                shape, state = resumed(saved, contents)
            topology = shape.topology
            check_memory_files(memory, topology)
            check_kills(kill_link, topology, state.passed)
            checkpointer = None
            if checkpoints.path:
                checkpointer = Checkpointer(checkpoints.path, checkpoints.every, program_facts(contents, shape), state)
            opening = open_array(
                config,
                shape,
                backend,
                saved.arithmetic if saved else arithmetic,
                stages,
                trace=trace,
                pipeline=pipeline,
                waves=waves,
                symbols=contents.symbols,
                resume=saved,
                checkpointer=checkpointer,
            )
            opened = stack.enter_context(opening)
            fill_memories(opened.array, memory)
        with stages.stage(f"run {program.name} on {opened.description}") as stage:
            sites = placement(opened.array, contents)
            output = ProgramOutput(len(sites), stage.leave_screen, state.written)
            show = None if as_json else output.write
            show_progress(opened.array, stage)
            try:
                report = run_program(
                    opened.array,
                    contents,
                    max_cycles,
                    sites,
                    output=show,
                    state=state,
                    kills=[(kill.cycle, kill.link) for kill in kill_link],
                )
            finally:
                output.close()
            answering = [(node.column, node.row) for node in report.nodes if node.answers]
            counters = read_counters(opened.array, answering, models_cycles=backend != "golden")
            memories = [] if topology is None else memory_facts(opened.array, topology)
            seconds = stage.seconds
            stage.note = f"{report.cycles} cycles"
    result: dict[str, Any] = {"program": str(program), **opened.as_dict(), **report.as_dict(), "seconds": seconds}
    result["counters"] = [each.as_dict() for each in counters]
    if memories:
        result["memories"] = memories
    if as_json:
        print_json(result)
    else:
        rows = [
            (str(node.row), str(node.column), "-" if node.exit_code is None else str(node.exit_code), str(node.retired),
             str(node.trap or ""))
            for node in report.nodes
        ]  # fmt: skip
        print_table(f"{program.name} on {opened.description}", ("row", "column", "exit code", "retired", "trap"), rows)
        if backend == "golden":
            click.echo("counters: cycles are not modelled by the golden model; run with --backend rtl to see where they go")
        else:
            print_counters(counters)
        print_memories(memories)
        click.echo(f"{'passed' if report.passed else 'FAILED'}: {report.reason} after {report.cycles} cycles")
    if not report.passed or report.links:
        click.echo(f"d1: {report.summary()}", err=True)
    for kill in unmade(kill_link, report.links):
        click.echo(f"d1: --kill-link {kill.text}: the run was over before", err=True)
    for note in opened.notes:
        click.echo(note, err=True)
    ctx.exit(ExitCode.PASSED if report.passed else ExitCode.FAILED)
