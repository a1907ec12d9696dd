# SPDX-License-Identifier: Apache-2.0
"""C programs run: start, end, memory, threads, the examples; on every preset, and also without anything of this project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from golden.config import MATRIX_K, PRESETS, NodeConfig, preset
from golden.layout import SRAM_BASE, Cause, ListWord
from golden.list_descriptor import Dimension, ListDescriptor
from golden.matrix import matmul
from golden.mesh import GoldenArray
from golden.program import Program, ProgramError
from scripts.d1.compilers import Compiler
from scripts.d1.errors import CommandError
from scripts.simulator import SimulatedArray, SimulatorLibrary, build
from sw.backend import ArrayBackend
from sw.c.script import default_stack_bytes, linker_script
from sw.collectives import ENTRY_POINTS
from sw.elf import load_elf
from sw.host import RunReport, run_program
from sw.kernels.packing import pack_a
from verif.scripts.command import PATIENCE
from verif.sw.c_programs import COMPILERS, EXAMPLES, compile_c

TINY = preset("tiny")
LIMIT = 2_000_000

COMPILER = pytest.mark.parametrize("compiler", COMPILERS, ids=str)


@pytest.fixture(scope="module")
def simulator() -> SimulatorLibrary:
    """The smallest node."""
    return build(TINY, "macro")


def run(program: Program, config: NodeConfig = TINY, *, columns: int = 1) -> RunReport:
    """On the golden model."""
    return run_program(GoldenArray(config, 1, columns), program, LIMIT)


def text(report: RunReport) -> str:
    """What the only node that wrote something has written."""
    (output,) = report.console
    return output.text


# -- start, end, memory ---------------------------------------------------------------------------------------------------


@COMPILER
@pytest.mark.parametrize("level", ["0", "2", "s"])
def test_what_main_returns_is_the_exit_code(compiler: Compiler, level: str, tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int main(void) { return 42; }", TINY, compiler=compiler, level=level)
    assert run(program).nodes[0].exit_code == 42


@pytest.mark.parametrize("statement, code", [("exit(3)", 3), ("exit(-1)", 0xFFFF_FFFF), ("abort()", 134)])
def test_exit_and_abort_end_the_program(statement: str, code: int, tmp_path: Path) -> None:
    program = compile_c(tmp_path, f"#include <stdlib.h>\nint main(void) {{ {statement}; }}", TINY)
    assert run(program).nodes[0].exit_code == code


ZEROS = """
static volatile char first; static volatile long many[300]; static volatile char last;
int main(void) {
    for (int i = 0; i < 300; i++) if (many[i]) return 1;
    return first || last;
}
"""


def test_zeros_are_zero_whatever_was_in_memory_before(tmp_path: Path) -> None:
    program = compile_c(tmp_path, ZEROS, TINY)
    array = GoldenArray(TINY, 1, 1)
    array.poke(0, 0, 0, b"\xff" * TINY.sram_bytes)
    assert run_program(array, program, LIMIT).passed


def test_global_and_constant_data_have_their_values_and_alignments(tmp_path: Path) -> None:
    source = """
    #include <d1.h>
    static const char *const names[] = {"one", "two"};
    static int large[4] = {1, 2, 3, 4}; static short small = -5;
    static char line[D1_LINE_BYTES] D1_ALIGNED = {9};
    int main(void) {
        if ((uintptr_t)line % D1_LINE_BYTES) return 1;
        return names[1][2] - 'o' + large[3] - 4 + small + 5 + line[0] - 9;
    }
    """
    assert run(compile_c(tmp_path, source, TINY)).nodes[0].exit_code == 0


@COMPILER
def test_compilers_keep_accesses_and_intrinsics_in_order(compiler: Compiler, tmp_path: Path) -> None:
    source = """
    #include <d1.h>
    static uint64_t box[D1_LINE_BYTES / 8] D1_ALIGNED;
    int main(void) {
        box[0] = 5;
        d1_vld(1, box, 0);
        box[0] = 7;
        d1_vst(1, box, 0);
        return box[0] != 5;
    }
    """
    report = run(compile_c(tmp_path, source, TINY, compiler=compiler))
    assert report.passed, report.summary()


def test_a_stray_pointer_is_reported_as_a_trap(tmp_path: Path) -> None:
    report = run(compile_c(tmp_path, "int main(void) { return *(volatile int *)64; }", TINY))
    assert report.nodes[0].trap is not None
    assert (report.nodes[0].trap.cause, report.nodes[0].trap.value) == (Cause.LOAD_ACCESS_FAULT, 64)


def test_a_program_runs_on_the_nodes_that_it_is_made_for_only(tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int main(void) { return 0; }", TINY)
    assert program.made_for == TINY.descriptor
    with pytest.raises(ProgramError, match="assembled for other nodes"):
        run(program, preset("small"))


def test_a_program_that_leaves_no_room_for_stacks_is_refused(tmp_path: Path) -> None:
    source = f"char large[{TINY.sram_bytes - 2 * default_stack_bytes(TINY)}]; int main(void) {{ return large[5]; }}"
    with pytest.raises(CommandError, match="do not fit into the node"):
        compile_c(tmp_path, source, TINY)


@pytest.mark.parametrize("config", PRESETS.values(), ids=lambda config: config.name)
def test_stacks_take_a_quarter_of_the_sram_or_what_is_asked_for(config: NodeConfig) -> None:
    size = default_stack_bytes(config)
    assert size * config.threads * 4 == config.sram_bytes
    assert f"D1_STACK_BYTES = {size:#x};" in linker_script(config)
    assert "D1_STACK_BYTES = 0x200;" in linker_script(config, 512)
    for wrong in (0, 520, config.sram_bytes // config.threads + 16):
        with pytest.raises(ValueError, match=str(wrong)):
            linker_script(config, wrong)


@pytest.mark.parametrize("config", PRESETS.values(), ids=lambda config: config.name)
def test_hello_says_where_it_runs_on_every_preset(config: NodeConfig, tmp_path: Path) -> None:
    report = run(compile_c(tmp_path, EXAMPLES / "hello.c", config), config, columns=2)
    assert report.passed, report.summary()
    facts = f"{config.threads} threads, {config.sram_bytes >> 10} KiB of SRAM."
    assert [output.text for output in report.console] == [f"Hello from row 0, column {column}: {facts}\n" for column in (0, 1)]


# -- threads --------------------------------------------------------------------------------------------------------------


def check_threads_example(report: RunReport, threads: int) -> None:
    assert report.passed, report.summary()
    numbers = np.arange(1000) ^ np.arange(1000) >> 1
    lines = [f"thread {thread}: {numbers[thread::threads].sum()}" for thread in range(threads)]
    *found, last = text(report).splitlines()
    assert sorted(found) == lines
    assert last == f"sum: {numbers.sum()}"


@pytest.mark.parametrize("config", PRESETS.values(), ids=lambda config: config.name)
def test_threads_share_work_and_the_console_on_every_preset(config: NodeConfig, tmp_path: Path) -> None:
    check_threads_example(run(compile_c(tmp_path, EXAMPLES / "threads.c", config), config), config.threads)


@pytest.mark.rtl
def test_threads_share_work_and_the_console_on_hardware(simulator: SimulatorLibrary, tmp_path: Path) -> None:
    with SimulatedArray(TINY, 1, 1, library=simulator) as array:
        program = compile_c(tmp_path, EXAMPLES / "threads.c", TINY)
        check_threads_example(run_program(array, program, LIMIT), TINY.threads)


def test_each_thread_has_its_own_stack_and_what_is_no_thread_is_refused(tmp_path: Path) -> None:
    config = preset("d1")
    source = """
    #include <d1.h>
    static volatile uintptr_t stacks[D1_THREADS];
    static int look(void) { volatile char here; stacks[d1_thread()] = (uintptr_t)&here; d1_spost(1, 1); return 0; }
    int main(void) {
        if (d1_start_thread(0, look) != -1 || d1_start_thread(D1_THREADS, look) != -1) return 1;
        for (unsigned thread = 1; thread < D1_THREADS; thread++)
            if (d1_start_thread(thread, look)) return 2;
        look();
        d1_swait(1, D1_THREADS);
        return 0;
    }
    """
    program = compile_c(tmp_path, source, config)
    array = GoldenArray(config, 1, 1)
    report = run_program(array, program, LIMIT)
    assert report.passed, report.summary()
    bottom, size = program.symbols["d1_stacks"], default_stack_bytes(config)
    assert bottom + config.threads * size == SRAM_BASE + config.sram_bytes
    places = np.frombuffer(array.peek(0, 0, program.symbols["stacks"] - SRAM_BASE, 8 * config.threads), np.uint64)
    assert [(int(place) - bottom) // size for place in places] == list(range(config.threads))


def test_what_a_thread_is_writing_is_written_before_the_program_ends(tmp_path: Path) -> None:
    source = """
    #include <d1.h>
    #include <stdio.h>
    extern volatile uint64_t tohost;
    /* Late, when the host looks seldom: so the program ends before it does. */
    static int speak(void) { for (volatile int i = 0; i < 1000; i++) ; puts("complete"); return 0; }
    int main(void) {
        d1_start_thread(1, speak);
        while (tohost == 0) ;
        return 0;
    }
    """
    assert text(run(compile_c(tmp_path, source, TINY))) == "complete\n"


def test_a_thread_that_ends_leaves_the_others_running(tmp_path: Path) -> None:
    source = """
    #include <d1.h>
    static int other(void) { return 5; }
    int main(void) {
        d1_start_thread(1, other);
        for (volatile int i = 0; i < 1000; i++) ;
        return 0;
    }
    """
    program = compile_c(tmp_path, source, TINY)
    array = GoldenArray(TINY, 1, 1)
    assert run_program(array, program, LIMIT).passed
    assert array.node(0, 0).threads[1].exit_code == 5


def test_nodes_write_to_each_other_whichever_begins_first(tmp_path: Path) -> None:
    source = """
    #include <d1.h>
    static uint64_t outgoing[D1_LINE_BYTES / 8] D1_ALIGNED, incoming[D1_LINE_BYTES / 8] D1_ALIGNED;
    int main(void) {
        outgoing[0] = 100 + d1_x();
        d1_vld(1, outgoing, 0);
        d1_nwrite_s(1, d1_remote(1 - d1_x(), d1_y(), incoming), 2);
        d1_swait(2, 1);
        return incoming[0] != 101 - d1_x();
    }
    """
    report = run(compile_c(tmp_path, source, TINY), columns=2)
    assert report.passed, report.summary()


@pytest.mark.parametrize("name", PRESETS)
def test_the_example_of_collectives_passes_on_four_nodes(tmp_path: Path, name: str) -> None:
    program = compile_c(tmp_path, EXAMPLES / "collectives.c", PRESETS[name])
    report = run_program(GoldenArray(PRESETS[name], 2, 2), program, LIMIT)
    assert report.passed, report.summary()


def test_programs_without_collectives_do_not_have_them(tmp_path: Path) -> None:
    with_them = compile_c(tmp_path, EXAMPLES / "collectives.c", TINY)
    without = compile_c(tmp_path, "int main(void) { return 0; }", TINY)
    assert set(ENTRY_POINTS) <= set(with_them.symbols)
    assert not set(ENTRY_POINTS) & set(without.symbols)


# -- lists ----------------------------------------------------------------------------------------------------------------

WITH_LISTS = [config for config in PRESETS.values() if config.lists]


def check_tiles(array: ArrayBackend, program: Program) -> None:
    """The list has made what ``pack_a`` makes of the matrix."""
    report = run_program(array, program, LIMIT)
    assert report.passed, report.summary()
    contents = (
        np.frombuffer(array.peek(0, 0, program.symbols[name] - SRAM_BASE, 2048), np.uint16) for name in ("matrix", "packed")
    )
    matrix, packed = contents
    assert len(np.unique(matrix)) == 1024
    assert (packed == pack_a(array.config, matrix.reshape(32, 32), MATRIX_K).reshape(-1)).all()
    assert re.fullmatch(r"32 x 32: \d+ cycles by a list, \d+ by loads and stores\n", text(report))


@COMPILER
@pytest.mark.parametrize("config", WITH_LISTS, ids=lambda config: config.name)
def test_a_list_packs_tiles(compiler: Compiler, config: NodeConfig, tmp_path: Path) -> None:
    check_tiles(GoldenArray(config, 1, 1), compile_c(tmp_path, EXAMPLES / "pack_tiles.c", config, compiler=compiler))


@pytest.mark.rtl
def test_a_list_packs_tiles_on_hardware(simulator: SimulatorLibrary, tmp_path: Path) -> None:
    with SimulatedArray(TINY, 1, 1, library=simulator) as array:
        check_tiles(array, compile_c(tmp_path, EXAMPLES / "pack_tiles.c", TINY))


def test_macros_make_the_control_word(tmp_path: Path) -> None:
    wanted = ListDescriptor(16, 0, 0, (Dimension(1), Dimension(1)), 0, 5, 7).words()[ListWord.CONTROL]
    control = "D1_LIST(16, 2) | D1_LIST_CHAIN | D1_LIST_POST_SOURCE(5) | D1_LIST_POST_DESTINATION(7)"
    source = f"#include <d1_lists.h>\nint main(void) {{ return ({control}) != {wanted}; }}"
    assert run(compile_c(tmp_path, source, TINY)).passed


FAILING_LIST = """
#include <d1_lists.h>
static D1List nothing;
static volatile int failures;
__attribute__((aligned(4), naked)) static void handler(void)
{
    __asm__ volatile("la t0, failures; lw t1, (t0); addi t1, t1, 1; sw t1, (t0); mret");
}
int main(void)
{
    d1_write_csr(D1_CSR_MTVEC, (uint64_t)handler);
    d1_nlist(&nothing);
    while (!failures);
    FORGET
    return 0;
}
"""


@pytest.mark.parametrize("forget", [True, False])
def test_a_program_can_forget_that_its_list_has_failed(forget: bool, tmp_path: Path) -> None:
    program = compile_c(tmp_path, FAILING_LIST.replace("FORGET", "d1_list_forget_failure(0);" if forget else ""), TINY)
    assert run(program).passed is forget


def test_a_node_without_lists_refuses_their_header(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="this node has no list transfers"):
        compile_c(tmp_path, "#include <d1_lists.h>\nint main(void) { return 0; }", preset("small"))


# -- the matrix product ---------------------------------------------------------------------------------------------------


def check_product(array: ArrayBackend, program: Program, rows: int, columns: int, depth: int) -> float:
    """C is what the golden model makes of A and B, bit for bit. Returns steps per cycle, as the program counts both."""

    def matrix(name: str, height: int, width: int, kind: type[np.unsignedinteger]) -> np.ndarray:
        size = height * width * np.dtype(kind).itemsize
        return np.frombuffer(array.peek(0, 0, program.symbols[name] - SRAM_BASE, size), kind).reshape(height, width)

    report = run_program(array, program, LIMIT)
    assert report.passed, report.summary()
    a, b = matrix("a", rows, depth, np.uint16), matrix("b", depth, columns, np.uint16)
    assert len(np.unique(a)) > 100
    c = matrix("c", rows, columns, np.uint32)
    assert (c == matmul(a, b)).all()
    told = rf"{rows} x {columns} x {depth}: (\d+) cycles for (\d+) steps, .* {np.bitwise_xor.reduce(c, None):#010x}\n"
    match = re.fullmatch(told, text(report))
    assert match is not None, text(report)
    cycles, steps = map(int, match.groups())
    return steps / cycles


@COMPILER
@pytest.mark.parametrize("name, level", [("tiny", "2"), ("small", "0"), ("medium", "2"), ("d1", "3")])
def test_the_matrix_product_in_c_has_the_bits_of_the_golden_model(
    compiler: Compiler, name: str, level: str, tmp_path: Path
) -> None:
    program = compile_c(tmp_path, EXAMPLES / "matmul.c", preset(name), compiler=compiler, level=level)
    check_product(GoldenArray(preset(name), 1, 1), program, 16, 16, 32)


def test_the_matrix_product_in_c_takes_other_shapes(tmp_path: Path) -> None:
    config = preset("medium")
    extra = ["-DROWS=8", "-DCOLUMNS=24", "-DDEPTH=64"]
    check_product(GoldenArray(config, 1, 1), compile_c(tmp_path, EXAMPLES / "matmul.c", config, extra=extra), 8, 24, 64)
    with pytest.raises(CommandError, match="whole tiles"):
        compile_c(tmp_path, EXAMPLES / "matmul.c", config, extra=["-DROWS=9", *extra[1:]])


@pytest.mark.rtl
def test_the_matrix_product_in_c_has_the_same_bits_on_hardware(simulator: SimulatorLibrary, tmp_path: Path) -> None:
    with SimulatedArray(TINY, 1, 1, library=simulator) as array:
        busy = check_product(array, compile_c(tmp_path, EXAMPLES / "matmul.c", TINY), 16, 16, 32)
    # Zig makes it 0.41: tiles are small, and their number of steps least. Compilers differ, but by less than that.
    assert busy > 0.33


# -- programs that know nothing of nodes ----------------------------------------------------------------------------------


@pytest.fixture(params=COMPILERS, ids=str)
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    """The bare example, built by its own command line."""
    compiler: Compiler = request.param
    machine = {
        "zig": ["-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+zicsr", "-g"],
        "gcc": ["-march=rv64i_zicsr"],
        "clang": ["--target=riscv64-unknown-elf", "-march=rv64i", "-fuse-ld=lld"],
    }[compiler.kind]
    folder, target = EXAMPLES / "bare", tmp_path / "bare.elf"
    command = [*compiler.command, *machine, "-mabi=lp64", "-mcmodel=medany", "-O1", "-ffreestanding", "-nostdlib", "-static"]
    sources = [f"-Wl,-T,{folder / 'link.ld'}", str(folder / "crt.S"), str(folder / "main.c"), "-o", str(target)]
    subprocess.run([*command, *sources], check=True, env=compiler.environment(), timeout=PATIENCE)
    return load_elf(target)


@pytest.mark.parametrize("config", PRESETS.values(), ids=lambda config: config.name)
def test_an_unmodified_program_runs_on_every_preset(bare: Program, config: NodeConfig) -> None:
    assert bare.made_for is None
    report = run(bare, config)
    assert report.passed, report.summary()
    assert text(report) == "bubble sort: -,-,+,+,+,+,+,+,+,+\n"


@pytest.mark.rtl
def test_an_unmodified_program_runs_on_hardware(bare: Program, simulator: SimulatorLibrary) -> None:
    with SimulatedArray(TINY, 1, 1, library=simulator) as array:
        report = run_program(array, bare, LIMIT)
    assert report.passed, report.summary()
    assert text(report) == "bubble sort: -,-,+,+,+,+,+,+,+,+\n"
