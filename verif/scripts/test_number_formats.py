# SPDX-License-Identifier: Apache-2.0
"""The page on number formats is current, its tables agree with codes counted one by one, and its examples run."""

from __future__ import annotations

import doctest
import re

import ml_dtypes
import numpy as np
import pytest

from golden.formats import BF16, FP32, UHP, Format, cfp8_143, cfp8_152, decode, shp
from scripts.number_formats import (
    BLOCKS,
    PAGE,
    PLOTS,
    codes,
    largest,
    overview,
    relative_spacing,
    smallest,
    smallest_normal,
    spacing,
    updated,
)

TEXT = PAGE.read_text(encoding="utf-8")


def cells(table: str) -> dict[str, list[str]]:
    """Rows of a Markdown table by their first cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {row[0]: row[1:] for row in rows}


def test_checked_in_page_is_current() -> None:
    assert updated(TEXT) == TEXT, "run: python -m scripts.number_formats"


def test_examples_of_the_page_hold() -> None:
    source = "".join(re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(source, {}, PAGE.name, str(PAGE), 0)
    results = doctest.DocTestRunner().run(test)
    assert results.attempted > 15
    assert results.failed == 0


@pytest.mark.parametrize("name", BLOCKS)
def test_a_page_without_a_block_or_with_two_is_refused(name: str) -> None:
    for page in (TEXT.replace(f"<!-- {name} -->", ""), TEXT.replace(f"<!-- /{name} -->", ""), TEXT + f"<!-- {name} -->\n"):
        with pytest.raises(ValueError, match=f"must hold <!-- {name} --> and <!-- /{name} --> exactly once"):
            updated(page)


@pytest.mark.parametrize(
    ("fmt", "reference"),
    [(BF16, ml_dtypes.finfo(ml_dtypes.bfloat16)), (FP32, np.finfo(np.float32))],
    ids=lambda x: getattr(x, "name", ""),
)
def test_ranges_are_those_that_others_tell(fmt: Format, reference: np.finfo) -> None:
    seen = (smallest(fmt), smallest_normal(fmt), largest(fmt))
    assert seen == (float(reference.smallest_subnormal), float(reference.smallest_normal), float(reference.max))


@pytest.mark.parametrize("bias", [0, 7, 63])
def test_powers_of_two_in_the_overview_hold_for_any_bias(bias: int) -> None:
    for title, make in (("CFP8 1-4-3", cfp8_143), ("CFP8 1-5-2", cfp8_152), ("SHP", shp)):
        shown = cells(overview())[title][3:6]
        expected = [smallest(make(bias)), smallest_normal(make(bias)), largest(make(bias))]
        for text, value in zip(shown, expected, strict=True):
            formula = text.replace("−", "-").replace("^", "**").replace("·", "*")
            assert eval(formula, {"b": bias}) == value


@pytest.mark.parametrize(
    ("title", "fmt"),
    [("CFP8 1-4-3", cfp8_143(7)), ("CFP8 1-5-2", cfp8_152(7)), ("SHP", shp(7)), ("UHP", UHP), ("BF16", BF16)],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_counts_of_codes_are_those_of_decoding_all_of_them(title: str, fmt: Format) -> None:
    values = np.abs(decode(np.arange(1 << fmt.bits, dtype=fmt.dtype), fmt))
    normals = int(((values >= smallest_normal(fmt)) & np.isfinite(values)).sum())
    infinite, nan = int(np.isinf(values).sum()), int(np.isnan(values).sum())
    shown = [int(cell.replace(",", "")) for cell in cells(codes())[title]]
    assert shown[2:] == [normals, infinite, nan, 1 << fmt.bits]
    assert sum(shown[:2]) == (values < smallest_normal(fmt)).sum()
    if fmt.denormals:
        assert shown[0] == (values == 0).sum()


@pytest.mark.parametrize("title", PLOTS)
def test_spacing_is_that_of_the_sorted_numbers(title: str) -> None:
    fmt, points_per_binade = PLOTS[title]
    first, last, points = relative_spacing(fmt, points_per_binade)
    if fmt.bits > 16:
        assert points == [max(-23, -149 - exponent) for exponent in range(first, last + 1, 4)]
        return
    numbers = np.unique(decode(np.arange(fmt.largest + 1, dtype=fmt.dtype), fmt).astype(np.float64))
    at = 2.0 ** np.linspace(first, last, len(points))
    index = np.searchsorted(numbers, at * (1 + 1e-7), side="right")
    np.testing.assert_allclose(points, np.log2((numbers[index] - numbers[index - 1]) / at), atol=1e-6)


def test_plots_are_in_the_grammar_of_mermaid() -> None:
    """Source: its parser's grammar, packages/mermaid/src/diagrams/xychart/parser/xychart.jison."""
    number = r"-?\d+(\.\d+)?"
    plot = rf"""```mermaid
xychart-beta
    title "[^"\n]+"
    x-axis "[^"\n]+" {number} --> {number}
    y-axis "[^"\n]+" {number} --> {number}
    line \[{number}(, {number})*\]
```"""
    blocks = spacing().split("\n\n")
    assert len(blocks) == len(PLOTS)
    for block in blocks:
        assert re.fullmatch(plot, block)
