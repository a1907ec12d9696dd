# SPDX-License-Identifier: Apache-2.0
"""Accesses to SRAM whose grant and data come from registers."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.interfaces import ReadPort

__all__ = ["RegisteredGrant", "of_last_cycle", "registers_grants"]


def registers_grants(config: NodeConfig) -> bool:
    """Whether the slots see grants a cycle late.

    Nodes whose matrix operations take several passes are made for FPGAs, where the path from an address through the banks'
    arbitration back to the slots, to issue and to fetch would be the longest of all.
    """
    return config.matrix_passes > 1


def of_last_cycle(m: Module, config: NodeConfig, value) -> Value:
    """The value; where grants are registered, that of the cycle before.

    A slot that waits for a grant anyway has the time, and nothing long has to fit into one cycle together with what its
    checks decide.
    """
    if not registers_grants(config):
        return value
    register = Signal(Value.cast(value).shape(), reset_less=True)
    m.d.sync += register.eq(value)
    return register


class RegisteredGrant(wiring.Component):
    """Stands between a requester and its port of SRAM: grant and data, as the requester sees them, come one cycle later.

    The requester keeps to ReadPort or WritePort; a write leaves ``data`` alone.

    Members
    -------
    wants : In(1), granted : Out(1), data : Out(8 * line_bytes)
        The requester's side.
    stays : In(1)
        The request will still be there in the next cycle, unless it is granted in this one; without it, a grant is forgotten.
    req : Out(1), grant : In(1), read_data : In(8 * line_bytes)
        The port's side.
    """

    def __init__(self, config: NodeConfig):
        line = ReadPort(config).members["data"].shape
        super().__init__(
            {
                "wants": In(1),
                "granted": Out(1),
                "data": Out(line),
                "stays": In(1),
                "req": Out(1),
                "grant": In(1),
                "read_data": In(line),
            }
        )

    def elaborate(self, platform):
        m = Module()
        data = Signal.like(self.data, reset_less=True)
        m.d.comb += [self.req.eq(self.wants & ~self.granted), self.data.eq(data)]
        m.d.sync += [self.granted.eq(self.grant & self.req & self.stays), data.eq(self.read_data)]
        return m
