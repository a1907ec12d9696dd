# SPDX-License-Identifier: Apache-2.0
"""Assembler source of programs that ask the host for something, without any of the project's C."""

from __future__ import annotations

#: What belongs behind every such program.
DATA = """
    .data
    .balign 64
tohost:   .dword 0
    .balign 64
fromhost: .dword 0
    .balign 64
call:     .zero 64
"""


def ask(value: str) -> str:
    """Stores a value, given as an expression or as ``@label``, to tohost."""
    load = f"la t0, {value[1:]}" if value.startswith("@") else f"li t0, {value}"
    return f"{load}\nla t1, tohost\nsd t0, 0(t1)\n"


def call(number: int, *arguments: str) -> str:
    """A system call whose result is in a0 afterwards; arguments are expressions or ``@label``."""
    lines = ["la t2, call"]
    for place, value in enumerate((str(number), *arguments)):
        lines += [f"la t0, {value[1:]}" if value.startswith("@") else f"li t0, {value}", f"sd t0, {8 * place}(t2)"]
    wait = "la t1, fromhost\n7: ld t0, 0(t1)\nbeqz t0, 7b\nsd zero, 0(t1)\nld a0, 0(t2)\n"
    return "\n".join(lines) + "\n" + ask("@call") + wait


def put(code: int) -> str:
    """Writes a character."""
    return ask(f"1 << 56 | 1 << 48 | {code}") + "8: ld t0, 0(t1)\nbnez t0, 8b\n"
