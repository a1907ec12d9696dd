# SPDX-License-Identifier: Apache-2.0
"""The boundary of a core, whichever way it executes."""

from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import COORDINATE_BITS
from rtl.interfaces import ControlPort, CoreNetworkPort, ListStartPort, ReadPort, RetirementSignature, WritePort

__all__ = ["LateWriteLayout", "VectorWriteLayout", "core_members", "late_ports", "retirement_width", "vector_ports"]


def retirement_width(config: NodeConfig) -> int:
    """Instructions that a thread may retire in a cycle."""
    return config.issue_width if config.core == "pipelined" else 1


def late_ports(config: NodeConfig) -> int:
    """Scalar results that may come after their instructions have retired, in a cycle."""
    return 3 if config.core == "pipelined" else 0


def vector_ports(config: NodeConfig) -> int:
    """Vector registers that may be written in a cycle."""
    return 2 if config.core == "pipelined" else 1


class LateWriteLayout(data.StructLayout):
    """A scalar register that was written after its instruction had retired: of the oldest one that has it still to come."""

    def __init__(self):
        super().__init__({"valid": 1, "thread": 2, "register": 5, "data": 64})


class VectorWriteLayout(data.StructLayout):
    """A vector register that was written: the counterpart of retirement for vector results."""

    def __init__(self, config: NodeConfig):
        super().__init__({"valid": 1, "thread": 2, "register": 5, "data": 8 * config.line_bytes})


def core_members(config: NodeConfig) -> dict:
    """Members of a core.

    Members
    -------
    x, y : In(13), links : In(4), cycle : In(64)
    fetch, scalar, load0, load1 : Out(ReadPort), store : Out(WritePort)
        To SRAM.
    network : Out(CoreNetworkPort), control : In(ControlPort)
        To and from the network interface.
    sent, received, dropped : In(1), conflicts : In(3)
        Events for the counters.
    running, waiting, trapped, stopped : Out(threads), exited : Out(1)
        Thread states, in this cycle.
    retirement : Out(RetirementSignature).array(threads * retirement_width)
        What thread t retires, oldest first, from element t * retirement_width on.
    late_writes : Out(LateWriteLayout).array(late_ports), vector_writes : Out(VectorWriteLayout).array(vector_ports)
        These and ``retirement`` are flip-flops.
    quiet : Out(1)
        Nothing in here changes by itself.
    retires : Out(1)
        An instruction retires, or one that a debugger injects is executed.
    lists : Out(ListStartPort)
        Where the configuration has lists.
    """
    threads = config.threads
    lists = {"lists": Out(ListStartPort())} if config.lists else {}
    return lists | {
        "x": In(COORDINATE_BITS),
        "y": In(COORDINATE_BITS),
        "links": In(4),
        "cycle": In(64),
        "fetch": Out(ReadPort(config)),
        "scalar": Out(ReadPort(config)),
        "load0": Out(ReadPort(config)),
        "load1": Out(ReadPort(config)),
        "store": Out(WritePort(config)),
        "network": Out(CoreNetworkPort(config)),
        "control": In(ControlPort()),
        "sent": In(1),
        "received": In(1),
        "dropped": In(1),
        "conflicts": In(3),
        "running": Out(threads),
        "waiting": Out(threads),
        "trapped": Out(threads),
        "stopped": Out(threads),
        "exited": Out(1),
        "retirement": Out(RetirementSignature()).array(threads * retirement_width(config)),
        "late_writes": Out(LateWriteLayout()).array(late_ports(config)),
        "vector_writes": Out(VectorWriteLayout(config)).array(vector_ports(config)),
        "quiet": Out(1),
        "retires": Out(1),
    }
