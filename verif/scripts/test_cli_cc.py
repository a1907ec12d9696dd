# SPDX-License-Identifier: Apache-2.0
"""C on the command line: compiled, run, shown as the compiler says it where it is wrong, and what is said without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from golden.config import preset
from verif.scripts.command import PATIENCE, ROOT, d1, refused

HELLO = ROOT / "sw" / "examples" / "hello.c"


def compiled(tmp_path: Path, *options: str, source: str = "int main(void) { return 0; }", name: str = "program.c") -> Path:
    """The executable of a source text, for the smallest preset."""
    file = tmp_path / name
    file.write_text(source)
    outcome = d1("cc", file, "--config", "tiny", *options)
    assert outcome.code == 0, outcome
    return file.with_suffix(".elf")


@pytest.mark.rtl
@pytest.mark.parametrize("array", ["1x1", "1x2"])
def test_a_compiled_program_runs_and_its_output_appears(array: str, tmp_path: Path) -> None:
    target = tmp_path / "hello.elf"
    made = d1("cc", HELLO, "--config", "tiny", "-o", target, "--json")
    assert made.code == 0, made
    assert (made.json["output"], made.json["config"], made.json["entry"]) == (str(target), "tiny", 0x8000_0000)
    assert made.json["tohost"] == made.json["symbols"]["tohost"]
    ran = d1("run", target, "--config", "tiny", "--array", array)
    assert ran.code == 0, ran
    prefix = "" if array == "1x1" else "row 0, column 1: "
    assert f"{prefix}Hello from row 0, column {0 if array == '1x1' else 1}: 2 threads, 16 KiB of SRAM.\n" in ran.stdout


def test_the_output_is_named_after_the_first_source(tmp_path: Path) -> None:
    assert compiled(tmp_path, name="first.c").exists()


def test_several_sources_headers_beside_them_and_assembler_are_compiled_together(tmp_path: Path) -> None:
    (tmp_path / "two.h").write_text("int two(void);\n")
    (tmp_path / "two.c").write_text('#include "two.h"\nint two(void) { return 2; }\n')
    (tmp_path / "one.S").write_text("  .globl one\none: li a0, 1\n  ret\n")
    more = [str(tmp_path / "two.c"), str(tmp_path / "one.S")]
    source = '#include "two.h"\nint one(void);\nint main(void) { return one() * 4 + two() - 6; }\n'
    program = compiled(tmp_path, *more, source=source)
    assert d1("run", program, "--config", "tiny", "--backend", "golden").code == 0


def test_arguments_behind_the_dashes_reach_the_compiler(tmp_path: Path) -> None:
    program = compiled(tmp_path, "-O", "0", "--", "-DCODE=7", "-Wall", source="int main(void) { return CODE; }")
    assert d1("run", program, "--config", "tiny", "--backend", "golden", "--json").json["nodes"][0]["exit_code"] == 7


def test_stacks_are_as_large_as_asked_for(tmp_path: Path) -> None:
    source = "int main(void) { return 0; }"
    for size in (512, 4096):
        program = compiled(tmp_path, "--stack-bytes", str(size), source=source)
        lines = d1("cc", tmp_path / "program.c", "--config", "tiny", "--stack-bytes", str(size), "--json").json["symbols"]
        assert lines["d1_stacks"] == 0x8000_0000 + (16 << 10) - 2 * size
        assert program.exists()
    refused(d1("cc", tmp_path / "program.c", "--config", "tiny", "--stack-bytes", "100000"), 2, "--stack-bytes", "100000", "8192")


def test_errors_are_shown_as_the_compiler_has_them(tmp_path: Path) -> None:
    file = tmp_path / "wrong.c"
    file.write_text("int main(void)\n{\n    return missing;\n}\n")
    outcome = d1("cc", file, "--config", "tiny")
    refused(outcome, 1, "has failed", f"{file}:3:12: error:", "missing")
    assert not file.with_suffix(".elf").exists()


def test_warnings_are_shown_and_do_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "odd.c"
    file.write_text("int main(void) { int unused; return 0; }\n")
    outcome = d1("cc", file, "--config", "tiny")
    assert outcome.code == 0
    assert "unused" in outcome.stderr


def test_a_program_without_symbols_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "program.c"
    file.write_text("int main(void) { return 0; }\n")
    refused(d1("cc", file, "--config", "tiny", "--", "-s"), 2, "no symbols", "-s")


def test_a_program_for_another_preset_is_refused(tmp_path: Path) -> None:
    program = compiled(tmp_path)
    refused(d1("run", program, "--config", "nano", "--backend", "golden"), 2, "assembled for other nodes", "nano")


def test_c_source_given_to_run_is_refused_with_what_to_do(tmp_path: Path) -> None:
    refused(d1("run", HELLO, "--config", "tiny", "--backend", "golden"), 2, "d1 cc", "hello.c")


def test_the_header_of_a_node_is_printed_and_complete(tmp_path: Path) -> None:
    outcome = d1("cc", "--header", "--config", "nano")
    assert outcome.code == 0
    assert f"#define D1_SRAM_BYTES {preset('nano').sram_bytes:#x}\n" in outcome.stdout
    assert "#define d1_mstep_bf16_pp(md, rs1, rs2)" in outcome.stdout
    refused(d1("cc", "--header", HELLO), 2, "--header")


@pytest.mark.parametrize(
    "arguments, parts",
    [
        ((), ("FILE is missing",)),
        (("none.c",), ("none.c", "does not exist")),
        (("notes.txt",), ("notes.txt", ".c, .s, .S")),
        (("a.c", "--config", "D2"), ("D2", "tiny")),
        (("a.c", "-O", "7"), ("7",)),
    ],
    ids=str,
)
def test_what_cannot_be_compiled_is_refused(arguments: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("notes.txt", "a.c"):
        (tmp_path / name).write_text("int main(void) { return 0; }\n")
    given = [str(tmp_path / each) if each.endswith((".c", ".txt")) else each for each in arguments]
    refused(d1("cc", *given), 2, *parts)


@pytest.mark.parametrize("kind", ["gcc", "clang"])
def test_a_compiler_that_is_not_there_is_named_with_what_to_install(kind: str, tmp_path: Path) -> None:
    outcome = d1("cc", HELLO, "--compiler", kind, "-o", tmp_path / "out.elf", env={"PATH": str(tmp_path)})
    refused(outcome, 3, f"{kind} for RISC-V is missing", "pip install 'opend1[cc]'", "apt-get install")


def test_no_compiler_at_all_is_named_with_what_to_install(tmp_path: Path) -> None:
    # A module that is None cannot be imported: this Python has no Zig.
    code = "import sys; sys.modules['ziglang'] = None; from scripts.d1.main import main; main()"
    command = [sys.executable, "-c", code, "cc", str(HELLO), "-o", str(tmp_path / "out.elf")]
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)
    assert done.returncode == 3, done
    assert "a C compiler for RISC-V is missing" in done.stderr


@pytest.mark.parametrize(
    "script, code, parts",
    [
        (None, 3, ("neither one of auto, zig, gcc, clang nor a program",)),
        ("echo x86_64-linux-gnu", 2, ("compiles for x86_64-linux-gnu", "riscv64")),
        ("exit 1", 2, ("is no C compiler",)),
    ],
)
def test_a_program_that_is_no_compiler_for_nodes_is_refused(
    script: str | None, code: int, parts: tuple[str, ...], tmp_path: Path
) -> None:
    program = tmp_path / "mycc"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    refused(d1("cc", HELLO, "--compiler", program, "-o", tmp_path / "out.elf"), code, str(program), *parts)
