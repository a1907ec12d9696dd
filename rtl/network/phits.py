# SPDX-License-Identifier: Apache-2.0
"""Between whole flits and the phits that a link carries them in."""

from amaranth import Cat, Const, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import TrafficClass, flit_bits, phit_bits
from rtl.interfaces import FlitLayout

__all__ = ["PhitReceiver", "PhitSender"]

_CLASSES = len(TrafficClass)


class PhitSender(wiring.Component):
    """Puts flits on a link, one after the other.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    valid : In(2), one-hot class of a flit to send; only with ``ready``
    flit : In(FlitLayout)
    ready : Out(1), from a register; another flit can follow without a gap
    link_valid : Out(2), link_phit : Out(phit)
        ``valid`` and ``flit`` of a LinkSignature, from registers.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "valid": In(_CLASSES),
                "flit": In(FlitLayout(config)),
                "ready": Out(1),
                "link_valid": Out(_CLASSES),
                "link_phit": Out(unsigned(phit_bits(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        passes, bits = self.config.link_passes, phit_bits(self.config)
        whole = Cat(self.flit.as_value(), Const(0, passes * bits - flit_bits(self.config)))
        rest = Signal(passes * bits, reset_less=True)
        valid, left = Signal(_CLASSES), Signal(range(passes))
        m.d.comb += [
            self.ready.eq(left == 0),
            self.link_valid.eq(valid),
            self.link_phit.eq(rest[:bits]),
        ]
        with m.If(left == 0):
            m.d.sync += valid.eq(self.valid)
            with m.If(self.valid.any()):
                m.d.sync += [rest.eq(whole), left.eq(passes - 1)]
        with m.Else():
            m.d.sync += [rest.eq(rest[bits:]), left.eq(left - 1)]
        return m


class PhitReceiver(wiring.Component):
    """Puts flits together that come on a link.

    Parameters
    ----------
    config : NodeConfig

    Members
    -------
    link_valid : In(2), link_phit : In(phit)
        ``valid`` and ``flit`` of a LinkSignature.
    valid : Out(2), one-hot class, strobe: the flit came whole in the cycle before
    flit : Out(FlitLayout), from a register, undefined without ``valid``
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "link_valid": In(_CLASSES),
                "link_phit": In(unsigned(phit_bits(config))),
                "valid": Out(_CLASSES),
                "flit": Out(FlitLayout(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        passes, bits = self.config.link_passes, phit_bits(self.config)
        whole = Signal(passes * bits, reset_less=True)
        valid, count = Signal(_CLASSES), Signal(range(passes))
        last = Signal()
        m.d.comb += [
            last.eq(self.link_valid.any() & (count == passes - 1)),
            self.valid.eq(valid),
            self.flit.eq(whole[: flit_bits(self.config)]),
        ]
        with m.If(self.link_valid.any()):
            m.d.sync += [whole.eq(Cat(whole[bits:], self.link_phit)), count.eq(count + 1)]
        with m.If(last):
            m.d.sync += valid.eq(self.link_valid)
        with m.Else():
            m.d.sync += valid.eq(0)
        return m
