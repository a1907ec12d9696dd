# SPDX-License-Identifier: Apache-2.0
"""The instruction reference tells every row of the table, and the checked-in one is current."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from golden.isa import INSTRUCTIONS, Instruction
from sw.isa_reference import encoding_fields, lane_operations, reference

CHECKED_IN = Path(__file__).resolve().parents[2] / "docs" / "isa.md"


def test_checked_in_reference_is_current() -> None:
    assert CHECKED_IN.read_text(encoding="utf-8") == reference("markdown"), "run: d1 isa --markdown > docs/isa.md"


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_reference_has_every_instruction_with_syntax_and_function(format: Literal["text", "markdown"]) -> None:
    text = reference(format).replace("\\|", "|")
    for row in INSTRUCTIONS.values():
        assert f"{row.mnemonic} {row.syntax}".strip() in text
        assert row.function in text


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_reference_explains_masks_descriptors_flags_and_seed_before_their_instructions(
    format: Literal["text", "markdown"],
) -> None:
    text = reference(format).replace("`", "")
    introduction = text[: text.index("Xd1: vector load")]
    for part in ("p0 is all ones", "fab ^ 1 that of B", "1 CFP8 1-4-3, 2 CFP8 1-5-2", "mflags: bit 0 inexact", "CSR mseed"):
        assert part in " ".join(introduction.split()), part


def test_overview_has_the_latency_of_each_lane_operation() -> None:
    lines = reference("markdown").split("\n")
    for name, by_lanes in lane_operations().items():
        cells = next(line for line in lines if line.startswith(f"| `{name}` |")).split("|")[2:-1]
        told = dict(zip(("f32", "bf16", "bf16.s", "i32", "i16", "i8"), map(str.strip, cells), strict=True))
        for lanes, cell in told.items():
            row = INSTRUCTIONS.get(f"{name}.{lanes}")
            assert cell == (str(row.latency_cycles) if row else ""), f"{name}.{lanes}"
            assert by_lanes.get(lanes) is row


@pytest.mark.parametrize("row", INSTRUCTIONS.values(), ids=INSTRUCTIONS.keys())
def test_encoding_fields_cover_the_word_and_show_its_fixed_bits(row: Instruction) -> None:
    expected_high = 31
    match = mask = 0
    for high, low, contents in encoding_fields(row):
        assert high == expected_high
        expected_high = low - 1
        if set(contents) <= {"0", "1"}:
            assert len(contents) == high - low + 1
            match |= int(contents, 2) << low
            mask |= (1 << high - low + 1) - 1 << low
    assert expected_high == -1
    assert (match, mask) == (row.match, row.mask)


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 'html' is not text or markdown"):
        reference("html")  # type: ignore[arg-type]
