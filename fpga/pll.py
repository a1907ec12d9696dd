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

    ``feedback_of_vco`` tells that the oscillator is fed back and not the output.
    """

    references: range
    feedbacks: range
    posts: tuple[int, ...]
    detector: tuple[float, float]
    vco: tuple[float, float]
    output: tuple[float, float]
    feedback_of_vco: bool = False

    def made(self, input_hz: int, reference: int, feedback: int, post: int) -> tuple[float, float]:
        """Frequencies of the oscillator and of the output, in Hz."""
        vco_hz = input_hz * feedback * (1 if self.feedback_of_vco else post) / reference
        return vco_hz, vco_hz / post


#: Gowin's dividers after the oscillator.
_GOWIN_POSTS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)

#: By family, for Gowin by the prefix of the part's database.
_LIMITS = {
    # Lattice FPGA-DS-02012, ECP5 sysCLOCK PLL timing; output of 10 MHz and above as Project Trellis' ecppll has it.
    "ecp5": _Limits(range(1, 129), range(1, 129), tuple(range(1, 129)), (3.125, 400), (400, 800), (10, 400)),
    # Lattice FPGA-DS-02008, iCE40 UltraPlus sysCLOCK PLL timing.
    "ice40": _Limits(range(1, 17), range(1, 129), (2, 4, 8, 16, 32, 64), (10, 133), (533, 1066), (16, 275), feedback_of_vco=True),
    # Gowin UG286 with DS226 and DS117, rPLL of GW2A(R)-18 and GW1N(R)-9; Apicula's gowin_pack checks the same numbers.
    "GW2A": _Limits(range(1, 65), range(1, 65), _GOWIN_POSTS, (3, 500), (500, 1250), (3.90625, 625)),
    "GW1N": _Limits(range(1, 65), range(1, 65), _GOWIN_POSTS, (3, 400), (400, 1000), (3.125, 500)),
}


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
        raise ClockError(f"a clock of {output_hz / 1e6:g} MHz is outside of what this PLL makes, {low:g} to {high:g} MHz")
    middle = sum(limits.vco) * _MHZ / 2

    def merit(found: tuple[int, int, int]) -> tuple[float, int, float]:
        vco_hz, made_hz = limits.made(input_hz, *found)
        # Exact to a thousandth of a Hz, so that equal outputs compare as equal.
        return round(abs(made_hz - output_hz), 3), found[0], abs(vco_hz - middle)

    best = min(_candidates(limits, input_hz, output_hz), key=merit, default=None)
    if best is None:
        raise ClockError(f"no PLL setting makes {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz")
    reference, feedback, post = best
    detector_hz = Fraction(input_hz, reference)
    vco_hz = detector_hz * feedback * (1 if limits.feedback_of_vco else post)
    dividers = PllDividers(reference, feedback, post, detector_hz, vco_hz, vco_hz / post)
    if abs(dividers.output_hz - output_hz) > _TOLERANCE * output_hz:
        raise ClockError(
            f"no PLL setting makes {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz; "
            f"the nearest is {float(dividers.output_hz) / 1e6:.3f} MHz"
        )
    return dividers


def _candidates(limits: _Limits, input_hz: int, output_hz: int) -> Iterator[tuple[int, int, int]]:
    """Everything that is allowed and near: reference, feedback, post."""
    for reference in limits.references:
        if not _within(input_hz / reference, limits.detector):
            continue
        for post in limits.posts:
            feedback = output_hz * (post if limits.feedback_of_vco else 1) * reference // input_hz
            for near in (feedback, feedback + 1):
                vco_hz, made_hz = limits.made(input_hz, reference, near, post)
                if near in limits.feedbacks and _within(vco_hz, limits.vco) and _within(made_hz, limits.output):
                    yield reference, near, post


def _within(hz: float, limits: tuple[float, float]) -> bool:
    return limits[0] * _MHZ <= hz <= limits[1] * _MHZ
