# SPDX-License-Identifier: Apache-2.0
"""Signatures at the seams between a node's components. Each is a contract; every component is built against these.

Directions are those of the side that starts the transfer (the requester, the sender); the other side uses ``.flip()``.
"""

from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    EXIT_BITS,
    GLOBAL_ADDRESS_BITS,
    OFFSET_BITS,
    SEMAPHORE_ID_BITS,
    SEMAPHORE_VALUE_BITS,
    TAG_NUMBER_BITS,
    UPPER_BITS,
    flit_fields,
    phit_bits,
)

__all__ = [
    "ControlPort",
    "CoreNetworkPort",
    "FlitLayout",
    "GlobalAddressLayout",
    "LinkSignature",
    "ListStartPort",
    "ReadPort",
    "RetirementSignature",
    "WritePort",
    "flit_stream",
    "line_address_bits",
]


def line_address_bits(config: NodeConfig) -> int:
    """Bits of a line's number in SRAM."""
    return (config.sram_lines - 1).bit_length()


class FlitLayout(data.StructLayout):
    """A flit, laid out as ``golden.layout.flit_fields`` says."""

    def __init__(self, config: NodeConfig):
        super().__init__({name: unsigned(bits) for name, bits in flit_fields(config)})


class GlobalAddressLayout(data.StructLayout):
    """A global address, laid out as ``golden.layout.GlobalAddress`` says."""

    def __init__(self):
        super().__init__(
            {
                "offset": unsigned(OFFSET_BITS),
                "x": unsigned(COORDINATE_BITS),
                "y": unsigned(COORDINATE_BITS),
                "exit": unsigned(EXIT_BITS),
                "upper": unsigned(UPPER_BITS),
            }
        )
        assert self.size == GLOBAL_ADDRESS_BITS


class ReadPort(wiring.Signature):
    """A requester of SRAM reads.

    The requester holds ``req`` and ``address`` until ``grant``, which answers in the same cycle; ``data`` is valid in the
    cycle after the grant and only then. A write to the same line in the cycle of the grant is not seen: old data is read.

    Members
    -------
    req : Out(1)
    address : Out(line number), below ``config.sram_lines``
    grant : In(1)
    data : In(8 * line_bytes)
    """

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "req": Out(1),
                "address": Out(line_address_bits(config)),
                "grant": In(1),
                "data": In(8 * config.line_bytes),
            }
        )


class WritePort(wiring.Signature):
    """A requester of SRAM writes: a line with one mask bit per byte, written at the end of the cycle of ``grant``."""

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "req": Out(1),
                "address": Out(line_address_bits(config)),
                "mask": Out(config.line_bytes),
                "data": Out(8 * config.line_bytes),
                "grant": In(1),
            }
        )


class LinkSignature(wiring.Signature):
    """One direction of a link between routers, as the sender sees it. All members come straight from flip-flops.

    A flit is on the link in every cycle with a bit of ``valid`` set (at most one: bit 0 request, bit 1 response). The sender
    holds ``config.channel_depth`` credits per class after reset, spends one per flit, and gets one back for every cycle with
    its class's bit of ``credit`` set. There is no ready.

    With ``config.link_passes`` above 1 ``flit`` carries a phit: the flit's next bits, low ones first. The phits of a flit
    follow each other without a gap, ``valid`` is the same in all of them, and a credit stands for a whole flit.
    """

    def __init__(self, config: NodeConfig):
        carried = FlitLayout(config) if config.link_passes == 1 else unsigned(phit_bits(config))
        super().__init__({"valid": Out(2), "flit": Out(carried), "credit": In(2)})


def flit_stream(config: NodeConfig) -> wiring.Signature:
    """A valid/ready stream of flits, seen from the source (as ``amaranth.lib.stream``; payload is a flit)."""
    from amaranth.lib import stream

    return stream.Signature(FlitLayout(config))


class CoreNetworkPort(wiring.Signature):
    """Core to network interface, as the core sees it.

    Requests: ``tx_valid`` with the fields beside it enters one request; the interface always takes it, since a pipelined core
    only issues when ``tx_room`` was set (room for two more at least), and a sequential one enters a request in a cycle of
    ``tx_room``. ``tx_read`` makes it a READ, else a WRITE. ``tx_tag`` is read << 7 | thread << 5 | vector register (0 for a
    WRITE).

    Read responses: ``rx_valid``, ``rx_tag``, ``rx_data`` hold until ``rx_ready``.

    Errors: ``error_valid`` strobes with tag and global address of a request that failed.

    Semaphores: ``post_valid`` strobes with ``post_sem`` (below ``config.semaphores``) and ``post_amount``; always taken.
    """

    def __init__(self, config: NodeConfig):
        super().__init__(
            {
                "tx_room": In(1),
                "tx_valid": Out(1),
                "tx_read": Out(1),
                "tx_address": Out(GlobalAddressLayout()),
                "tx_mask": Out(config.line_bytes),
                "tx_data": Out(8 * config.line_bytes),
                "tx_post": Out(1),
                "tx_sem": Out(SEMAPHORE_ID_BITS),
                "tx_tag": Out(TAG_NUMBER_BITS),
                "rx_valid": In(1),
                "rx_tag": In(TAG_NUMBER_BITS),
                "rx_data": In(8 * config.line_bytes),
                "rx_ready": Out(1),
                "error_valid": In(1),
                "error_tag": In(TAG_NUMBER_BITS),
                "error_address": In(GLOBAL_ADDRESS_BITS),
                "post_valid": In(1),
                "post_sem": In(SEMAPHORE_ID_BITS),
                "post_amount": In(SEMAPHORE_VALUE_BITS),
            }
        )


class ControlPort(wiring.Signature):
    """Network interface to the registers of the control page, as the network interface sees it.

    ``register`` is the offset in the page divided by 8; unused registers read 0, and writes of read-only and unused ones do
    nothing. Semaphore registers are the core's as well.

    ``access`` asks for one, a read or, with ``write``, a write of ``write_data``. It stays, with all that belongs to it, until
    the cycle of ``ready``, at whose end the access is done; ``read_data`` is valid in that cycle. Wide nodes are always ready:
    there :class:`rtl.network.server.RequestServer` does not look at ``ready``, and ``write`` is never set without ``access``.

    Members
    -------
    access : Out(1), register : Out(9)
    write : Out(1), write_data : Out(64)
    ready : In(1), read_data : In(64)
    """

    def __init__(self):
        super().__init__(
            {
                "access": Out(1),
                "register": Out(9),
                "write": Out(1),
                "write_data": Out(64),
                "ready": In(1),
                "read_data": In(64),
            }
        )


class ListStartPort(wiring.Signature):
    """How a core starts list transfers, as the core sees it.

    ``start`` strobes with the thread and the offset of the descriptor. It may do so in the cycle after one of ``room`` in which
    it did not; it need not.

    Members
    -------
    room : In(1)
    start : Out(1), thread : Out(2), offset : Out(21)
    """

    def __init__(self):
        super().__init__({"room": In(1), "start": Out(1), "thread": Out(2), "offset": Out(OFFSET_BITS)})


class RetirementSignature(wiring.Signature):
    """What one thread retired in a cycle, for lock-step checking and tracing; every member is a flip-flop.

    Members
    -------
    valid : Out(1)       an instruction retired (or trapped, then ``trap`` is set and nothing was written)
    trap : Out(1)
    cause, value : mcause and mtval of that trap
    pc, insn             address and word of the instruction; after INSTRUCTION_ACCESS_FAULT there is no word
    late : Out(1)        its register rd is written later, as a late write of the core shows
    rd_valid : Out(2)    bit 0: an even scalar register was written, bit 1: an odd one (x0 never shows)
    rd_address : Out(2x5), rd_data : Out(2x64)   the even write in element 0, the odd one in element 1
    """

    def __init__(self):
        super().__init__(
            {
                "valid": Out(1),
                "trap": Out(1),
                "cause": Out(6),
                "value": Out(64),
                "pc": Out(64),
                "insn": Out(32),
                "late": Out(1),
                "rd_valid": Out(2),
                "rd_address": Out(data.ArrayLayout(5, 2)),
                "rd_data": Out(data.ArrayLayout(64, 2)),
            }
        )
