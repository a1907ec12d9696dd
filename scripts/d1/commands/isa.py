# SPDX-License-Identifier: Apache-2.0
"""``d1 isa``: the instruction reference, whole or of one instruction."""

from __future__ import annotations

import difflib
from typing import Any

import click

from golden.isa import INSTRUCTIONS, Instruction
from scripts.d1.errors import CommandError
from scripts.d1.options import reporting
from scripts.d1.report import print_json


def _as_dict(row: Instruction) -> dict[str, Any]:
    return {
        "mnemonic": row.mnemonic,
        "syntax": row.syntax,
        "match": f"{row.match:#010x}",
        "mask": f"{row.mask:#010x}",
        "unit": row.unit.value,
        "extension": row.extension.value,
        "latency_cycles": row.latency_cycles,
        "function": row.function,
        "post_increment": list(row.post_increment),
    }


def _describe(row: Instruction) -> str:
    from sw.isa_reference import encoding_fields

    fields = encoding_fields(row)
    bits = [f"{high}" if high == low else f"{high}:{low}" for high, low, _ in fields]
    widths = [max(len(b), len(contents)) for b, (_, _, contents) in zip(bits, fields, strict=True)]
    return "\n".join(
        [
            f"{row.mnemonic} {row.syntax}".strip(),
            "",
            f"  {row.function}",
            "",
            "  " + "  ".join(b.ljust(w) for b, w in zip(bits, widths, strict=True)).rstrip(),
            "  " + "  ".join(c.ljust(w) for (_, _, c), w in zip(fields, widths, strict=True)).rstrip(),
            "",
            f"  {row.extension.value}, unit {row.unit.value}, latency {row.latency_cycles} cycle(s)",
        ]
    )


@click.command()
@click.argument("mnemonic", required=False)
@click.option("--markdown", is_flag=True, help="The whole reference as Markdown, as checked in as docs/isa.md.")
@reporting
def isa(mnemonic: str | None, markdown: bool, as_json: bool) -> None:
    """The instruction reference, or what MNEMONIC does."""
    from sw.isa_reference import pseudo_rows, reference

    if mnemonic is None:
        if as_json:
            print_json({"instructions": [_as_dict(row) for row in INSTRUCTIONS.values()]})
        else:
            click.echo(reference("markdown" if markdown else "text"), nl=False)
        return
    if markdown:
        raise CommandError("--markdown gives the whole reference; leave MNEMONIC out")
    row = INSTRUCTIONS.get(mnemonic.lower())
    forms = [(written, meaning) for written, meaning, _ in pseudo_rows() if written.split()[0] == mnemonic.lower()]
    if row is None and forms:
        if as_json:
            print_json({"mnemonic": mnemonic.lower(), "forms": [{"written": one, "stands_for": other} for one, other in forms]})
        else:
            click.echo("\n".join(f"{written}\n\n  stands for: {meaning}\n" for written, meaning in forms).rstrip())
        return
    if row is None:
        near = (
            [name for name in INSTRUCTIONS if name.startswith(f"{mnemonic.lower()}.")]
            or difflib.get_close_matches(mnemonic.lower(), INSTRUCTIONS, n=5)
            or [name for name in INSTRUCTIONS if mnemonic and name.startswith(mnemonic.lower()[:3])]
        )
        hint = f"did you mean {', '.join(near)}?" if near else "d1 isa lists all"
        raise CommandError(f"there is no instruction '{mnemonic}'; {hint}")
    if as_json:
        print_json(_as_dict(row))
    else:
        click.echo(_describe(row))
