# SPDX-License-Identifier: Apache-2.0
"""Programs on the command line: assemble, disassemble, run on both backends, and what is said when one fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from golden.isa import INSTRUCTIONS
from golden.layout import SRAM_BASE, Cause
from verif.scripts.command import PATIENCE, ROOT, Outcome, d1, refused
from verif.sw.host_requests import DATA, call

BACKENDS = pytest.mark.parametrize("backend", ["golden", pytest.param("rtl", marks=pytest.mark.rtl)])
EXAMPLES = sorted((ROOT / "sw" / "examples").glob("*.s"))


def run(tmp_path: Path, source: str, backend: str, *options: str, config: str = "tiny") -> Outcome:
    """Run a source text, with JSON."""
    file = tmp_path / "program.s"
    file.write_text(source)
    return d1("run", file, "--config", config, "--backend", backend, "--json", *options)


def trap_of(outcome: Outcome) -> dict[str, Any]:
    """The trap of the only node of a run that failed."""
    assert outcome.code == 1, outcome
    assert outcome.json["passed"] is False
    (node,) = outcome.json["nodes"]
    assert isinstance(node["trap"], dict)
    return node["trap"]


# -- asm, disasm, isa -------------------------------------------------------------------------------------------------


def test_assembled_program_disassembles_to_the_same_instructions(tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("_start: addi a0, zero, 5\n  beq a0, zero, _start\n  halt a0\n")
    assert d1("asm", source, "-o", tmp_path / "out.elf", "--json").json["bytes"] == 12
    lines = d1("disasm", tmp_path / "out.elf").stdout.splitlines()
    assert [line.split(maxsplit=2)[-1] for line in lines if not line.endswith(">:")] == [
        "addi a0, zero, 5",
        "beq a0, zero, _start",
        "halt a0",
    ]


def test_asm_names_the_output_after_the_source(tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("halt zero\n")
    assert d1("asm", source).code == 0
    assert (tmp_path / "program.elf").exists()


def test_assembly_errors_name_file_line_and_column(tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("halt zero\n  addi a0, zero, 5000\n")
    refused(d1("asm", source), 2, f"{source}:2:18", "5000")
    assert not (tmp_path / "program.elf").exists()


def test_isa_describes_every_instruction() -> None:
    assert [each["mnemonic"] for each in d1("isa", "--json").json["instructions"]] == list(INSTRUCTIONS)
    assert "rs1 += line" in d1("isa", "mstep.bf16.pp").stdout


def test_isa_offers_the_types_of_an_operation_that_is_named_without_one() -> None:
    refused(d1("isa", "vtrn"), 2, "there is no instruction 'vtrn'; did you mean vtrn.e8, vtrn.e16, vtrn.e32?")


def test_isa_tells_what_a_pseudo_instruction_stands_for() -> None:
    assert "vlt.f32 pd, vs2, vs1[, pm]" in d1("isa", "vgt.f32").stdout
    assert d1("isa", "pnot", "--json").json == {
        "mnemonic": "pnot",
        "forms": [{"written": "pnot pd, ps1", "stands_for": "pandn pd, p0, ps1"}],
    }


def test_unknown_instruction_is_refused_with_what_is_near() -> None:
    refused(d1("isa", "mstep.bf17"), 2, "mstep.bf17", "mstep.bf16")


# -- run --------------------------------------------------------------------------------------------------------------


@BACKENDS
def test_a_semaphore_that_overflows_makes_the_run_fail(tmp_path: Path, backend: str) -> None:
    outcome = run(tmp_path, "li a0, 65535\nspost 3, a0\nspost 3, a0\nspost 1, a0\nspost 1, a0\nhalt zero\n", backend)
    assert outcome.code == 1
    (node,) = outcome.json["nodes"]
    assert (node["exit_code"], node["overflowed_semaphore"]) == (0, 3)
    assert "node row 0, column 0: exit code 0, and semaphore 3 overflowed" in outcome.stderr


@BACKENDS
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_pass_on_an_array(example: Path, backend: str) -> None:
    outcome = d1("run", example, "--config", "tiny", "--array", "2x2", "--backend", backend, "--json")
    assert outcome.code == 0, outcome
    assert outcome.json["passed"] is True
    assert [(node["row"], node["column"]) for node in outcome.json["nodes"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(node["exit_code"] == 0 and node["trap"] is None and node["retired"] > 0 for node in outcome.json["nodes"])


@BACKENDS
def test_an_assembled_elf_runs_as_its_source_does(tmp_path: Path, backend: str) -> None:
    assert d1("asm", EXAMPLES[0], "-o", tmp_path / "a.elf", "--config", "tiny").code == 0
    options = ("--config", "tiny", "--backend", backend, "--json")
    outcomes = [d1("run", program, *options).json for program in (EXAMPLES[0], tmp_path / "a.elf")]
    for outcome in outcomes:
        del outcome["program"], outcome["seconds"]
    assert outcomes[0] == outcomes[1]


@BACKENDS
def test_exit_code_of_a_program_is_reported_and_fails_the_run(tmp_path: Path, backend: str) -> None:
    outcome = run(tmp_path, "li a0, 7\nhalt a0\n", backend)
    assert (outcome.code, outcome.json["passed"], outcome.json["nodes"][0]["exit_code"]) == (1, False, 7)
    assert "exit code 7" in outcome.stderr


@BACKENDS
def test_one_node_that_fails_fails_the_run(tmp_path: Path, backend: str) -> None:
    # mhartid is x << 2 for thread 0 of row 0.
    outcome = run(tmp_path, "csrrs a0, mhartid, zero\nhalt a0\n", backend, "--array", "1x3")
    assert (outcome.code, outcome.json["passed"]) == (1, False)
    assert [node["exit_code"] for node in outcome.json["nodes"]] == [0, 4, 8]


@BACKENDS
def test_illegal_instruction_is_reported_with_thread_pc_cause_and_value(tmp_path: Path, backend: str) -> None:
    trap = trap_of(run(tmp_path, "nop\n.word 0xffffffff\n", backend))
    assert trap == {"thread": 0, "pc": SRAM_BASE + 4, "cause": Cause.ILLEGAL_INSTRUCTION, "value": 0xFFFF_FFFF}


@BACKENDS
@pytest.mark.parametrize(
    "access, cause, value",
    [
        ("ld a0, 0(zero)", Cause.LOAD_ACCESS_FAULT, 0),
        ("sd a0, -8(zero)", Cause.STORE_ACCESS_FAULT, (1 << 64) - 8),
        ("lw a0, 1(zero)", Cause.LOAD_MISALIGNED, 1),
        ("vld v0, 8(zero)", Cause.LOAD_MISALIGNED, 8),
    ],
)
def test_bad_address_is_reported_with_the_address(tmp_path: Path, backend: str, access: str, cause: Cause, value: int) -> None:
    trap = trap_of(run(tmp_path, access + "\n", backend))
    assert trap == {"thread": 0, "pc": SRAM_BASE, "cause": cause, "value": value}


@BACKENDS
def test_remote_write_to_a_node_that_is_not_there_is_reported(tmp_path: Path, backend: str) -> None:
    # x = 5 of an array of one node; the loop waits for the error to arrive.
    outcome = run(tmp_path, "li a0, 5 << 21\nnwrite v0, (a0)\nloop: j loop\n", backend, "--max-cycles", "100000")
    trap = trap_of(outcome)
    assert (trap["cause"], trap["value"]) == (Cause.NETWORK_ERROR, 5 << 21)
    assert "NETWORK_ERROR" in outcome.stderr


@BACKENDS
def test_deadlock_is_recognised_and_shows_who_waits(tmp_path: Path, backend: str) -> None:
    outcome = run(tmp_path, "li a0, 1\nswait 3, a0\nhalt zero\n", backend)
    assert (outcome.code, outcome.json["passed"], outcome.json["reason"]) == (1, False, "deadlock")
    assert "WAITING" in outcome.stderr
    assert "semaphore 3" in outcome.stderr


@BACKENDS
def test_cycle_limit_ends_an_endless_program(tmp_path: Path, backend: str) -> None:
    outcome = run(tmp_path, "loop: j loop\n", backend, "--max-cycles", "5000")
    assert (outcome.code, outcome.json["passed"], outcome.json["reason"]) == (1, False, "limit")
    assert outcome.json["nodes"][0]["exit_code"] is None
    assert "RUNNING" in outcome.stderr


@BACKENDS
def test_what_a_program_writes_comes_before_the_report_and_is_in_the_json(tmp_path: Path, backend: str) -> None:
    file = tmp_path / "program.s"
    file.write_text(
        call(64, "1", "@text", "6") + call(64, "2", "@text", "4") + "halt zero\n" + 'text: .ascii "hello\\n"\n' + DATA
    )
    options = ("--config", "tiny", "--backend", backend)
    one = d1("run", file, *options)
    assert one.stdout.startswith("hello\n")
    assert "hell\n" in one.stderr
    two = d1("run", file, *options, "--array", "1x2")
    assert two.stdout.splitlines()[:2] == ["row 0, column 0: hello", "row 0, column 1: hello"]
    assert "row 0, column 1: hell\n" in two.stderr
    described = d1("run", file, *options, "--json")
    assert described.json["console"] == [{"row": 0, "column": 0, "text": "hello\nhell"}]
    assert "hell" not in described.stderr


def test_a_request_that_the_host_does_not_know_fails_the_run_with_one_error(tmp_path: Path) -> None:
    outcome = run(tmp_path, call(1024, "0") + "halt zero\n" + DATA, "golden")
    refused(outcome, 1, "node row 0, column 0 (thread 0 at pc 0x8000", "system call 1024", "write (64)")


@BACKENDS
def test_trace_lists_what_retired_disassembled(tmp_path: Path, backend: str) -> None:
    outcome = run(tmp_path, "li a0, 3\naddi a0, a0, -3\nhalt a0\n", backend, "--array", "1x2", "--trace", str(tmp_path / "trace"))
    assert outcome.code == 0
    lines = (tmp_path / "trace").read_text().splitlines()
    for place in ("r0c0t0", "r0c1t0"):
        texts = [line.split(maxsplit=4)[4].rstrip() for line in lines if place in line]
        assert [" ".join(text.split()) for text in texts] == [
            "addi a0, zero, 3 a0 = 0x3", "addi a0, a0, -3 a0 = 0x0", "halt a0"
        ]  # fmt: skip


@pytest.mark.rtl
def test_waves_are_written_and_the_viewer_is_named(tmp_path: Path) -> None:
    waves = tmp_path / "run.vcd"
    outcome = run(tmp_path, "halt zero\n", "rtl", "--waves", str(waves), config="nano")
    assert outcome.code == 0, outcome
    assert f"gtkwave {waves}" in outcome.stderr
    assert "$enddefinitions" in waves.read_text()


def test_waves_of_the_golden_model_are_refused(tmp_path: Path) -> None:
    refused(run(tmp_path, "halt zero\n", "golden", "--waves", "a.vcd"), 2, "--waves", "golden")


def test_waves_of_an_unknown_format_are_refused(tmp_path: Path) -> None:
    refused(run(tmp_path, "halt zero\n", "rtl", "--waves", "waves.txt"), 2, "waves.txt", ".vcd")


@BACKENDS
def test_interrupt_ends_a_run_at_once_without_a_traceback(tmp_path: Path, backend: str) -> None:
    source, trace = tmp_path / "program.s", tmp_path / "trace"
    source.write_text("loop: j loop\n")
    # What a first run would build is built before, so that the interrupt hits the program.
    run(tmp_path, "halt zero\n", backend, "--trace", str(tmp_path / "before"))
    source.write_text("loop: j loop\n")
    command = [sys.executable, "-m", "scripts.d1.main", "run", str(source), "--config", "tiny", "--backend", backend]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--trace", str(trace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    deadline = time.monotonic() + PATIENCE
    while not (trace.exists() and trace.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr


# -- programs that are none -------------------------------------------------------------------------------------------


def elf(tmp_path: Path) -> bytearray:
    """A program that is right, as ELF."""
    source = tmp_path / "right.s"
    source.write_text("halt zero\n")
    assert d1("asm", source).code == 0
    return bytearray(source.with_suffix(".elf").read_bytes())


def test_elf_of_another_architecture_is_refused(tmp_path: Path) -> None:
    contents = elf(tmp_path)
    contents[18:20] = (62).to_bytes(2, "little")  # e_machine: x86-64
    (tmp_path / "x86.elf").write_bytes(contents)
    refused(d1("run", tmp_path / "x86.elf"), 2, "x86.elf", "RISC-V")
    refused(d1("disasm", tmp_path / "x86.elf"), 2, "x86.elf", "RISC-V")


@pytest.mark.parametrize("length", [0, 20, 100])
def test_truncated_elf_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "short.elf").write_bytes(elf(tmp_path)[:length])
    refused(d1("run", tmp_path / "short.elf"), 2, "short.elf")


def test_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("remember the milk\n")
    refused(d1("run", tmp_path / "notes.txt"), 2, "notes.txt", "ELF")


def test_source_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.s").write_bytes(b"\xff\xfe\x00\x01")
    refused(d1("run", tmp_path / "binary.s"), 2, "binary.s", "no text")


def test_source_from_an_editor_with_byte_order_mark_and_crlf_assembles(tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_bytes(b"\xef\xbb\xbf_start: halt zero\r\n  nop\r\n")
    assert d1("asm", source, "--json").json["bytes"] == 8


def test_missing_program_is_refused(tmp_path: Path) -> None:
    refused(d1("run", tmp_path / "none.elf"), 2, "none.elf", "does not exist")


def test_folder_instead_of_a_program_is_refused(tmp_path: Path) -> None:
    refused(d1("run", tmp_path), 2, str(tmp_path))


def test_source_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    refused(run(tmp_path, "halt zero\n.zero 20000\n", "golden"), 2, "program.s:2", "tiny")


def test_elf_that_does_not_fit_is_refused_with_size_and_room(tmp_path: Path) -> None:
    source = tmp_path / "large.s"
    source.write_text("halt zero\n.zero 20000\n")
    assert d1("asm", source).code == 0
    refused(d1("run", tmp_path / "large.elf", "--config", "tiny"), 2, "does not fit", "tiny", "20004")


@pytest.mark.parametrize(
    "words",
    [
        ("asm", "SOURCE", "-o", "out.elf"),
        ("cc", "CODE", "-o", "out.elf"),
        ("run", "SOURCE", "--trace", "out"),
        ("run", "SOURCE", "--kanata", "out"),
        ("run", "SOURCE", "--waves", "out.vcd"),
        ("run", "SOURCE", "--checkpoint", "out.d1c"),
        ("bench", "arrays", "--plot", "out.svg"),
        ("bench", "network", "--plot", "out.svg"),
        ("campaign", "sizes", "--write", "out.md"),
        ("fpga", "build", "ulx3s-25f", "--out", "out.bit"),
    ],
    ids=lambda words: " ".join((words[0], words[-2])),
)
def test_output_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "program.s").write_text("halt zero\n")
    (tmp_path / "program.c").write_text("int main(void) { return 0; }\n")
    files = {"SOURCE": str(tmp_path / "program.s"), "CODE": str(tmp_path / "program.c")}
    *front, name = (files.get(word, word) for word in words)
    outcome = d1(*front, tmp_path / "none" / name)
    refused(outcome, 2, f"none/{name}: No such file or directory")
    assert sum(not line.startswith(("d1: ", "see: ")) for line in outcome.stderr.splitlines()) == 0
    (tmp_path / name).mkdir()
    refused(d1(*front, tmp_path / name), 2, name, "is a directory" if "fpga" not in words else "")


def test_a_folder_for_outputs_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(d1("verilog", "--config", "tiny", "--out", tmp_path / "file" / "inside"), 2, "file/inside: Not a directory")


def test_empty_program_is_refused(tmp_path: Path) -> None:
    refused(run(tmp_path, "", "golden"), 2, "empty")


@pytest.mark.parametrize(
    "table, complaint",
    [
        ("0", "names no node"),
        ("1, 5, 0", "no node in row 5, column 0"),
        ("2, 0, 0, 0, 0", "twice"),
        ("9, 0", "not in the program"),
    ],
)
def test_placement_that_the_array_cannot_follow_is_refused(tmp_path: Path, table: str, complaint: str) -> None:
    refused(run(tmp_path, f"_start: halt zero\nd1_placement: .half {table}\n", "golden"), 2, "d1_placement", complaint)


def test_full_disk_is_told_as_such(tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("halt zero\n")
    refused(d1("asm", source, "-o", "/dev/full"), 2, "No space left")
    refused(d1("run", source, "--backend", "golden", "--trace", "/dev/full"), 2, "No space left")


@pytest.mark.parametrize("limit", ["0", "-5", "many"])
def test_cycle_limit_that_is_no_positive_number_is_refused(tmp_path: Path, limit: str) -> None:
    refused(run(tmp_path, "halt zero\n", "golden", "--max-cycles", limit), 2, "--max-cycles", limit)
