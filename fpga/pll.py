# SPDX-License-Identifier: Apache-2.0
"""Dividers of the FPGAs' phase-locked loops: found by search, checked against what the data sheets allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from fpga.errors import FpgaError

__all__ = ["ClockError", "PllDividers", "find_dividers"]

#: How far the clock may be from what was asked for; serial lines are asynchronous and bear far more.
_TOLERANCE = Fraction(1, 1000)

_MHZ = 1_000_000


class ClockError(FpgaError):
    """A clock that the board's PLL cannot make; the message says what it can."""

    exit_code = 2


@dataclass(frozen=True)
class PllDividers:
    """A way to make a clock: output = input * feedback / reference, oscillator = output * post.

    Attributes
    ----------
    reference : int
        The input is divided by this before the phase detector.
    feedback : int
        The output is divided by this before the phase detector; on iCE40 the oscillator is.
    post : int
        The oscillator is divided by this.
    detector_hz, vco_hz, output_hz : Fraction
        What that makes of the input.
    """

    reference: int
    feedback: int
    post: int
    detector_hz: Fraction
    vco_hz: Fraction
    output_hz: Fraction


@dataclass(frozen=True)
class _Limits:
    """What a PLL allows: dividers, and frequencies in MHz, both ends included.

    ``feedback_of_vco`` tells that the oscillator is fed back and not the output. ``middle`` is where the oscillator is best.
    """

    references: range
    feedbacks: range
    posts: tuple[int, ...]
    detector: tuple[Fraction, Fraction]
    vco: tuple[Fraction, Fraction]
    output: tuple[Fraction, Fraction]
    feedback_of_vco: bool = False


def _between(low: float | str, high: float | str) -> tuple[Fraction, Fraction]:
    return Fraction(low), Fraction(high)


#: Gowin's dividers after the oscillator.
_GOWIN_POSTS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)

#: By family, for Gowin by the prefix of the part's database.
_LIMITS = {
    # Lattice FPGA-DS-02012, ECP5 sysCLOCK PLL timing; output of 10 MHz and above as Project Trellis' ecppll has it.
    "ecp5": _Limits(
        range(1, 129), range(1, 129), tuple(range(1, 129)), _between("3.125", 400), _between(400, 800), _between(10, 400)
    ),
    # Lattice FPGA-DS-02008, iCE40 UltraPlus sysCLOCK PLL timing. A post divider is a power of two.
    "ice40": _Limits(
        range(1, 17), range(1, 129), tuple(1 << n for n in range(1, 7)), _between(10, 133), _between(533, 1066),
        _between(16, 275), feedback_of_vco=True,
    ),
    # Gowin UG286 with DS226 and DS117, rPLL of GW2A(R)-18 and GW1N(R)-9; Apicula's gowin_pack checks the same numbers.
    "GW2A": _Limits(range(1, 65), range(1, 65), _GOWIN_POSTS, _between(3, 500), _between(500, 1250), _between("3.90625", 625)),
    "GW1N": _Limits(range(1, 65), range(1, 65), _GOWIN_POSTS, _between(3, 400), _between(400, 1000), _between("3.125", 500)),
}  # fmt: skip


def find_dividers(family: str, database: str, input_hz: int, output_hz: int) -> PllDividers:
    """How a PLL makes a clock of another: the nearest to what is asked for, with the fastest phase detector.

    Parameters
    ----------
    family : str
        ``ecp5``, ``ice40`` or ``gowin``.
    database : str
        Of a Gowin part, which PLL it has; else without meaning.
    input_hz, output_hz : int

    Raises
    ------
    ClockError
        If the PLL cannot, or not within 0.1 %; the message says what it can.
    """
    limits = _LIMITS[database[:4] if family == "gowin" else family]
    low, high = limits.output
    if not low * _MHZ <= output_hz <= high * _MHZ:
        raise ClockError(
            f"a clock of {output_hz / 1e6:g} MHz is outside of what this PLL makes, {float(low):g} to {float(high):g} MHz"
        )
    middle = sum(limits.vco) * _MHZ / 2
    best = min(
        _candidates(limits, input_hz, output_hz),
        key=lambda found: (abs(found.output_hz - output_hz), -found.detector_hz, abs(found.vco_hz - middle)),
        default=None,
    )
    if best is None:
        raise ClockError(f"no PLL setting makes {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz")
    if abs(best.output_hz - output_hz) > _TOLERANCE * output_hz:
        raise ClockError(
            f"no PLL setting makes {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz; "
            f"the nearest is {float(best.output_hz) / 1e6:.3f} MHz"
        )
    return best


def _candidates(limits: _Limits, input_hz: int, output_hz: int) -> Iterator[PllDividers]:
    """Everything that is allowed and near."""
    for reference in limits.references:
        detector = Fraction(input_hz, reference)
        if not limits.detector[0] * _MHZ <= detector <= limits.detector[1] * _MHZ:
            continue
        for post in limits.posts:
            exact = output_hz * (post if limits.feedback_of_vco else 1) / detector
            for feedback in {int(exact), int(exact) + 1} & set(limits.feedbacks):
                vco = detector * feedback * (1 if limits.feedback_of_vco else post)
                output = vco / post
                if all(low * _MHZ <= value <= high * _MHZ for value, (low, high) in ((vco, limits.vco), (output, limits.output))):
                    yield PllDividers(reference, feedback, post, detector, vco, output)
