# SPDX-License-Identifier: Apache-2.0
"""The clock of a board's design: its oscillator or a PLL behind it, and the reset that begins everything."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Out

from fpga.boards import Board
from fpga.pll import PllDividers, find_dividers

__all__ = ["BoardClock"]

#: How long reset lasts once the clock runs: block RAM of iCE40 cannot be read for some microseconds after configuration.
_RESET_SECONDS = 15e-6

#: Upper ends, in MHz, of the phase detector's ranges that FILTER_RANGE 1 to 5 of iCE40's PLL are for; 6 is for more.
_ICE40_FILTERS = (17, 26, 44, 66, 101)


class BoardClock(wiring.Component):
    """Makes a clock of the platform's default clock, through a PLL if it has another frequency, and a reset.

    The reset holds from configuration until the PLL has locked and some microseconds beyond, and again while it is not
    locked. Whoever drives a domain from this defines it: ``m.d.comb += [ClockSignal().eq(clock.clk), …]``. There is no timing
    constraint here: place and route derives that of the PLL's output from its input's, and where it does not, is told it.

    Parameters
    ----------
    board : Board
    clock_hz : int
        What is wanted.

    Members
    -------
    clk : Out(1)
    rst : Out(1), synchronous to ``clk``, from a flip-flop

    Raises
    ------
    ClockError
        If the PLL cannot make that clock.
    """

    def __init__(self, board: Board, clock_hz: int):
        self.board = board
        self.clock_hz = clock_hz
        self.dividers: PllDividers | None = None
        if clock_hz != board.oscillator_hz:
            self.dividers = find_dividers(board.family, board.database, board.oscillator_hz, clock_hz)
        super().__init__({"clk": Out(1), "rst": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.boot = ClockDomain("boot", reset_less=True, local=True)
        m.d.comb += ClockSignal("boot").eq(self.clk)
        locked = Signal()
        port = platform.request(platform.default_clk, dir="-")
        if self.dividers is None:
            m.submodules.buffer = buffer = io.Buffer("i", port)
            m.d.comb += [self.clk.eq(buffer.i), locked.eq(1)]
        else:
            clock, lock = Signal(name="pll_clock"), Signal()
            if self.board.family == "ice40":
                # The PLL takes the pad itself: behind a buffer, the pad's own PLL could not be placed.
                m.submodules.pll = _ice40_pll(self.dividers, port.io, clock, lock)
            else:
                m.submodules.buffer = buffer = io.Buffer("i", port)
                make = _ecp5_pll if self.board.family == "ecp5" else _gowin_pll
                m.submodules.pll = make(self.board, self.dividers, buffer.i, clock, lock)
            m.submodules.lock_synchronizer = FFSynchronizer(lock, locked, o_domain="boot")
            m.d.comb += self.clk.eq(clock)

        cycles = round(_RESET_SECONDS * self.clock_hz)
        count = Signal(range(cycles + 1))
        m.d.boot += self.rst.eq(count != cycles)
        with m.If(~locked):
            m.d.boot += count.eq(0)
        with m.Elif(count != cycles):
            m.d.boot += count.eq(count + 1)
        return m


def _ecp5_pll(board: Board, dividers: PllDividers, reference: Any, clock: Any, lock: Any) -> Instance:
    """Lattice FPGA-TN-02200; loop filter and phase as ecppll of Project Trellis sets them."""
    return Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{board.oscillator_hz / 1e6:g}",
        a_FREQUENCY_PIN_CLKOP=f"{float(dividers.output_hz) / 1e6:g}",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_OUTDIVIDER_MUXB="DIVB",
        p_OUTDIVIDER_MUXC="DIVC",
        p_OUTDIVIDER_MUXD="DIVD",
        p_FEEDBK_PATH="CLKOP",
        p_CLKI_DIV=dividers.reference,
        p_CLKFB_DIV=dividers.feedback,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=dividers.post,
        p_CLKOP_CPHASE=dividers.post // 2,
        p_CLKOP_FPHASE=0,
        i_CLKI=reference,
        i_CLKFB=clock,
        o_CLKOP=clock,
        o_LOCK=lock,
        i_RST=0,
        i_STDBY=0,
        i_PHASESEL0=0,
        i_PHASESEL1=0,
        i_PHASEDIR=1,
        i_PHASESTEP=1,
        i_PHASELOADREG=1,
        i_PLLWAKESYNC=0,
        i_ENCLKOP=0,
    )


def _ice40_pll(dividers: PllDividers, pad: Any, clock: Any, lock: Any) -> Instance:
    """Lattice FPGA-TN-02052; the oscillator is at the pad that belongs to the PLL."""
    detector = float(dividers.detector_hz) / 1e6
    return Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=dividers.reference - 1,
        p_DIVF=dividers.feedback - 1,
        p_DIVQ=dividers.post.bit_length() - 1,
        p_FILTER_RANGE=1 + sum(detector >= limit for limit in _ICE40_FILTERS),
        i_PACKAGEPIN=pad,
        i_RESETB=1,
        i_BYPASS=0,
        o_PLLOUTGLOBAL=clock,
        o_LOCK=lock,
    )


def _gowin_pll(board: Board, dividers: PllDividers, reference: Any, clock: Any, lock: Any) -> Instance:
    """Gowin UG286."""
    return Instance(
        "rPLL",
        p_FCLKIN=f"{board.oscillator_hz / 1e6:g}",
        p_DEVICE=board.database,
        p_IDIV_SEL=dividers.reference - 1,
        p_FBDIV_SEL=dividers.feedback - 1,
        p_ODIV_SEL=dividers.post,
        p_DYN_IDIV_SEL="false",
        p_DYN_FBDIV_SEL="false",
        p_DYN_ODIV_SEL="false",
        p_DYN_SDIV_SEL=2,
        p_DYN_DA_EN="false",
        p_PSDA_SEL="0000",
        p_DUTYDA_SEL="1000",
        p_CLKFB_SEL="internal",
        p_CLKOUT_BYPASS="false",
        p_CLKOUTP_BYPASS="false",
        p_CLKOUTD_BYPASS="false",
        p_CLKOUTD_SRC="CLKOUT",
        p_CLKOUTD3_SRC="CLKOUT",
        i_CLKIN=reference,
        i_CLKFB=0,
        i_RESET=0,
        i_RESET_P=0,
        i_FBDSEL=Const(0, 6),
        i_IDSEL=Const(0, 6),
        i_ODSEL=Const(0, 6),
        i_PSDA=Const(0, 4),
        i_DUTYDA=Const(0, 4),
        i_FDLY=Const(0, 4),
        o_CLKOUT=clock,
        o_LOCK=lock,
    )
