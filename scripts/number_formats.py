# SPDX-License-Identifier: Apache-2.0
"""Tables and plots of docs/number-formats.md, computed from the golden model's formats.

The page holds each between ``<!-- NAME -->`` and ``<!-- /NAME -->``. ``python -m scripts.number_formats`` writes them anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from golden.formats import BF16, FP32, UHP, Format, cfp8_143, cfp8_152, decode, encode, encode_codes, shp
from golden.layout import Flag

PAGE = Path(__file__).resolve().parents[1] / "docs" / "number-formats.md"

#: Formats with a bias of their own, by title.
CONFIGURABLE: dict[str, Callable[[int], Format]] = {"CFP8 1-4-3": cfp8_143, "CFP8 1-5-2": cfp8_152, "SHP": shp}
FIXED = {"UHP": UHP, "BF16": BF16, "FP32": FP32}

#: Biases that are shown; 7 and 15 are those that IEEE 754 would choose.
SHOWN_BIASES = (0, 7, 15, 31, 47, 63)

#: Plots: title, format, points per binade. One in four binades is enough of 8 bits of exponent.
PLOTS: dict[str, tuple[Format, float]] = {
    "CFP8 1-4-3, bias 7": (cfp8_143(7), 4),
    "CFP8 1-5-2, bias 15": (cfp8_152(15), 4),
    "SHP, bias 15": (shp(15), 2),
    "UHP": (UHP, 2),
    "BF16": (BF16, 0.25),
    "FP32": (FP32, 0.25),
}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _value(fmt: Format, code: int) -> float:
    return float(decode(np.array(code, fmt.dtype), fmt))


def smallest(fmt: Format) -> float:
    """The smallest positive number."""
    return _value(fmt, 1 if fmt.denormals else 1 << fmt.mantissa_bits)


def smallest_normal(fmt: Format) -> float:
    """The smallest normal number."""
    return _value(fmt, 1 << fmt.mantissa_bits)


def largest(fmt: Format) -> float:
    """The largest finite number."""
    return _value(fmt, fmt.largest)


def _scientific(value: float) -> str:
    """A number as ``significand · 2^exponent``, where the significand is 1, and left out, or all ones."""
    fraction, exponent = math.frexp(value)
    missing = 2 - 2 * fraction
    significand = "" if missing == 1 else f"(2−2^{math.frexp(missing)[1] - 1}) · "
    return f"{significand}2^{exponent - 1}".replace("-", "−")


def _scientific_in_bias(of: Callable[[Format], float], make: Callable[[int], Format]) -> str:
    """The same for a format that scales with its bias b."""
    text, _, exponent = _scientific(of(make(0))).rpartition("^")
    return f"{text}^({exponent}−b)"


def overview() -> str:
    """Table: layout, range and precision of every format."""
    properties = (smallest, smallest_normal, largest)
    rows = []
    for title, make in CONFIGURABLE.items():
        rows.append((title, make(0), "b: 0 to 63", [_scientific_in_bias(of, make) for of in properties]))
    for title, fmt in FIXED.items():
        rows.append((title, fmt, str(fmt.bias), [_scientific(of(fmt)) for of in properties]))
    return _table(
        ["", "bits", "sign / exponent / mantissa", "bias", "smallest", "smallest normal", "largest", "epsilon"],
        (
            [
                title,
                str(fmt.bits),
                f"{int(fmt.signed)} / {fmt.exponent_bits} / {fmt.mantissa_bits}",
                bias,
                *numbers,
                f"2^−{fmt.mantissa_bits}",
            ]
            for title, fmt, bias, numbers in rows
        ),
    )


def biases() -> str:
    """Table: ranges of the configurable formats at some biases, and the code of 1."""
    rows = []
    for title, make in CONFIGURABLE.items():
        for bias in SHOWN_BIASES:
            fmt = make(bias)
            one = encode(np.float32(1), fmt)
            code = f"0x{int(one):0{fmt.bits // 4}X}" if decode(one, fmt) == 1 else "none"
            rows.append([title, str(bias), *(f"{of(fmt):.4g}" for of in (smallest, smallest_normal, largest)), code])
    return _table(["", "bias", "smallest", "smallest normal", "largest", "code of 1"], rows)


def codes() -> str:
    """Table: what the codes of each format are. A bias changes none of these counts."""
    rows = []
    for title, fmt in [*((title, make(0)) for title, make in CONFIGURABLE.items()), *FIXED.items()]:
        mantissas = 1 << fmt.mantissa_bits
        signs = 1 + fmt.signed
        specials = int(fmt.specials)
        counts = {
            "zeros": signs,
            "denormals": signs * (mantissas - 1),
            "normals": signs * ((1 << fmt.exponent_bits) - 1 - specials) * mantissas,
            "Inf": signs * specials,
            "NaN": signs * specials * (mantissas - 1),
        }
        rows.append([title, *(f"{count:,}" for count in counts.values()), f"{sum(counts.values()):,}"])
    return _table(["", *counts, "codes"], rows)


def exceptions() -> str:
    """Table: what becomes of numbers that a format does not have."""
    formats = {"CFP8 1-4-3, bias 7": cfp8_143(7), "SHP, bias 15": shp(15), **FIXED}
    operands = {
        "+Inf": np.inf,
        "−Inf": -np.inf,
        "quiet NaN": np.nan,
        "quiet NaN, negative": -np.nan,
        "3 · 10^38": 3e38,
        "−3 · 10^38": -3e38,
        "10^−38": 1e-38,
        "−10^−38": -1e-38,
        "−0": -0.0,
    }
    rows = []
    for title, operand in operands.items():
        cells = [title]
        for fmt in formats.values():
            code, flags = encode(np.float32(operand), fmt, flags=True)
            names = [flag.name.lower() for flag in Flag if int(flags) & flag and flag.name]
            cells.append(", ".join([f"`0x{int(code):0{fmt.bits // 4}X}`", *names]))
        rows.append(cells)
    return _table(["to nearest", *formats], rows)


def relative_spacing(fmt: Format, points_per_binade: float) -> tuple[int, int, list[float]]:
    """Distance of a number to the next larger one, relative to the number.

    Returns
    -------
    first, last : int
        log2 of the smallest number, and of the largest one that is a power of two.
    points : list of float
        log2 of the relative spacing, at equal steps of log2 of the number.
    """
    first, last = math.floor(math.log2(smallest(fmt))), math.floor(math.log2(largest(fmt)))
    exponents = np.linspace(first, last, round((last - first) * points_per_binade) + 1)
    numbers = np.exp2(exponents).astype(np.float32).view(np.uint32)
    # Random bits of zero cut towards zero.
    below, _ = encode_codes(numbers, fmt, np.zeros_like(numbers))
    steps = decode(below + np.ones_like(below), fmt).astype(np.float64) - decode(below, fmt)
    return first, last, (np.log2(steps) - exponents).tolist()


def spacing() -> str:
    """Mermaid plots of the relative spacing of every format."""
    plots = []
    for title, (fmt, points_per_binade) in PLOTS.items():
        first, last, points = relative_spacing(fmt, points_per_binade)
        lowest = math.floor(min(points))
        plots.append(
            "\n".join([
                "```mermaid",
                "xychart-beta",
                f'    title "{title}"',
                f'    x-axis "log2 of the number" {first} --> {last}',
                f'    y-axis "log2 of relative spacing" {lowest} --> 0',
                f"    line [{', '.join(f'{point + 0.0:.3g}' for point in points)}]",
                "```",
            ])
        )  # fmt: skip
    return "\n\n".join(plots)


BLOCKS = {block.__name__: block for block in (overview, biases, codes, exceptions, spacing)}


def updated(page: str) -> str:
    """The page with all of its tables and plots written anew.

    Raises
    ------
    ValueError
        If the page does not hold each block exactly once.
    """
    for name, block in BLOCKS.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page must hold {begin.strip()} and {end} exactly once")
        page = f"{page[: page.index(begin)]}{begin}\n{block()}\n\n{page[page.index(end) :]}"
    return page


def main() -> None:
    """Write the page's tables and plots anew."""
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
