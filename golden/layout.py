# SPDX-License-Identifier: Apache-2.0
"""Layouts that every part shares: addresses, packets, the control page, CSRs and trap causes.

This is specification data. Hardware, models, host software and documentation take it from here; nothing here computes results.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig

# ---------------------------------------------------------------------------------------------------------------------
# Addresses
# ---------------------------------------------------------------------------------------------------------------------

#: Where a node sees its own SRAM.
SRAM_BASE = 0x8000_0000

OFFSET_BITS = 21
#: Bits of a mesh coordinate. The upper 8 are the die, the lower 5 the node in the die. Routing only compares, so an
#: array without dies may count straight through.
COORDINATE_BITS = 13
NODE_COORDINATE_BITS = 5
EXIT_BITS = 3
UPPER_BITS = 14
GLOBAL_ADDRESS_BITS = OFFSET_BITS + 2 * COORDINATE_BITS + EXIT_BITS + UPPER_BITS
#: Bits of ``upper`` that give each side of a rectangle, less one.
RECTANGLE_SIDE_BITS = UPPER_BITS // 2


class Port(IntEnum):
    """Ports of a router; as the ``exit`` field of an address: where the packet leaves at its destination node."""

    LOCAL = 0
    NORTH = 1
    EAST = 2
    SOUTH = 3
    WEST = 4

    @property
    def opposite(self) -> Port:
        """The port at the other end of a link."""
        return {Port.NORTH: Port.SOUTH, Port.SOUTH: Port.NORTH, Port.EAST: Port.WEST, Port.WEST: Port.EAST}[self]


#: The four link ports, in the order that ``links`` masks use (bit 0 north, 1 east, 2 south, 3 west).
LINK_PORTS = (Port.NORTH, Port.EAST, Port.SOUTH, Port.WEST)


@dataclass(frozen=True)
class GlobalAddress:
    """A byte in the array: node coordinates, offset in the node's 2 MiB window, the exit port, and an upper part.

    Layout, low bit first: offset 21, x 13, y 13, exit 3, upper 14. x grows to the east, y to the south.
    ``exit`` other than LOCAL addresses whatever is attached to that link of the node (hosts, memories), where ``upper`` is bits
    21 to 34 of the address. With LOCAL, ``upper`` is the extent of a rectangle of nodes, whose north-west corner is (x, y):
    columns less one in bits 0 to 6, rows less one in bits 7 to 13. A write there is a write in each of them; it cannot be read.
    """

    x: int
    y: int
    offset: int = 0
    exit: int = Port.LOCAL
    upper: int = 0

    def __post_init__(self) -> None:
        limits = (("x", COORDINATE_BITS), ("y", COORDINATE_BITS), ("offset", OFFSET_BITS), ("upper", UPPER_BITS))
        for field, bits in limits:
            if not 0 <= getattr(self, field) < 1 << bits:
                raise ValueError(f"{field} = {getattr(self, field):#x} does not fit into {bits} bits")
        if self.exit not in tuple(Port):
            raise ValueError(f"exit = {self.exit} is no port; ports are 0 to 4")

    def __int__(self) -> int:
        return (
            self.offset
            | self.x << OFFSET_BITS
            | self.y << OFFSET_BITS + COORDINATE_BITS
            | self.exit << OFFSET_BITS + 2 * COORDINATE_BITS
            | self.upper << OFFSET_BITS + 2 * COORDINATE_BITS + EXIT_BITS
        )

    @classmethod
    def rectangle(cls, x: int, y: int, columns: int, rows: int, offset: int = 0) -> GlobalAddress:
        """The same offset in all nodes of a rectangle whose north-west corner is (x, y); ValueError if it has no such address."""
        for name, count in (("columns", columns), ("rows", rows)):
            if not 1 <= count <= 1 << RECTANGLE_SIDE_BITS:
                raise ValueError(f"{name} = {count} is outside of 1 to {1 << RECTANGLE_SIDE_BITS}")
        return cls(x, y, offset, upper=columns - 1 | rows - 1 << RECTANGLE_SIDE_BITS)

    @property
    def sides(self) -> tuple[int, int]:
        """Columns and rows of the rectangle that the address names with exit LOCAL; a node's own is one of 1x1."""
        return (self.upper & (1 << RECTANGLE_SIDE_BITS) - 1) + 1, (self.upper >> RECTANGLE_SIDE_BITS) + 1

    @classmethod
    def unpack(cls, value: int) -> GlobalAddress:
        """The inverse of ``int()``; ValueError if the value has more than 64 bits or the exit is no port."""
        if not 0 <= value < 1 << GLOBAL_ADDRESS_BITS:
            raise ValueError(f"global address {value:#x} does not fit into {GLOBAL_ADDRESS_BITS} bits")
        mask = (1 << COORDINATE_BITS) - 1
        return cls(
            offset=value & (1 << OFFSET_BITS) - 1,
            x=value >> OFFSET_BITS & mask,
            y=value >> OFFSET_BITS + COORDINATE_BITS & mask,
            exit=value >> OFFSET_BITS + 2 * COORDINATE_BITS & (1 << EXIT_BITS) - 1,
            upper=value >> GLOBAL_ADDRESS_BITS - UPPER_BITS,
        )


def hart_id(x: int, y: int, thread: int) -> int:
    """``mhartid`` of a thread: y | x | thread, with 13, 13 and 2 bits."""
    return y << COORDINATE_BITS + 2 | x << 2 | thread


# ---------------------------------------------------------------------------------------------------------------------
# Packets
# ---------------------------------------------------------------------------------------------------------------------


class TrafficClass(IntEnum):
    """Classes with buffers and credits of their own on every link."""

    REQUEST = 0
    RESPONSE = 1


class Kind(IntEnum):
    """What a packet is. WRITE and READ travel as requests, READ_DATA and ERROR as responses."""

    WRITE = 0
    READ = 1
    READ_DATA = 2
    ERROR = 3


class NetworkError(IntEnum):
    """Why a request failed: field ``sem`` of an ERROR packet.

    ERROR packets carry the destination that failed in ``src_x``, ``src_y``, ``src_exit`` and ``offset``, and the tag of
    the request. A thread takes trap NETWORK_ERROR with that global address in ``mtval``. Of a multicast, UNREACHABLE names the
    whole rectangle, and BAD_OFFSET the node that refused.
    """

    UNREACHABLE = 1
    BAD_OFFSET = 2


#: Bits of a tag by which a node finds what waits in the part of it that asked.
TAG_NUMBER_BITS = 8
TAG_BITS = TAG_NUMBER_BITS + 2


class TagOwner(IntEnum):
    """Who in a node sent a request: the upper bits of its tag."""

    THREAD = 0
    LIST = 1
    """A list transfer."""


SEMAPHORE_ID_BITS = 5
SEMAPHORE_VALUE_BITS = 16


def flit_fields(config: NodeConfig) -> tuple[tuple[str, int], ...]:
    """Fields of a flit, low bit first, as (name, bits).

    kind      Kind.
    x, y, exit, upper, offset   destination, see GlobalAddress; ``upper`` and ``offset`` in a response are those of the request
              that it answers. A WRITE with exit LOCAL and an ``upper`` that is not 0 is a multicast.
    src_x, src_y, src_exit   who sent it, and where a response goes (back along ``src_exit`` for a host at an edge).
    mask      WRITE: one bit per byte of the line.
    data      the line, byte 0 lowest.
    tag       of a request: returned unchanged in its response. A node's own requests use TagOwner << 8 and below that a number;
              those of threads read << 7 | thread << 5 | vector register (0 for a WRITE).
    post, sem WRITE: post semaphore ``sem`` at the receiver by one, after the data is visible. ERROR: sem = NetworkError.

    What a router looks at is in the first phit of any flit, and the fields before ``data`` fill whole words of a simulator.
    """
    return (
        ("kind", 3),
        ("x", COORDINATE_BITS),
        ("y", COORDINATE_BITS),
        ("exit", EXIT_BITS),
        ("upper", UPPER_BITS),
        ("src_y", COORDINATE_BITS),
        ("src_x", COORDINATE_BITS),
        ("src_exit", EXIT_BITS),
        ("offset", OFFSET_BITS),
        ("mask", config.line_bytes),
        ("data", 8 * config.line_bytes),
        ("tag", TAG_BITS),
        ("post", 1),
        ("sem", SEMAPHORE_ID_BITS),
    )


def flit_bits(config: NodeConfig) -> int:
    """Bits of a flit with its side-band header."""
    return sum(bits for _, bits in flit_fields(config))


def phit_bits(config: NodeConfig) -> int:
    """Bits of a phit, the part of a flit that a link carries in a cycle: ``link_passes`` of them make a flit, low bits first."""
    return -(-flit_bits(config) // config.link_passes)


# ---------------------------------------------------------------------------------------------------------------------
# Control page: 64-bit registers, little endian, at CONTROL_PAGE_OFFSET of the window
# ---------------------------------------------------------------------------------------------------------------------


#: What is stored to ``tohost`` names a device and a command for the host in the bits above these, and ends the program if it
#: has none there and bit 0 set.
TOHOST_PAYLOAD_BITS = 48


class ControlRegister(IntEnum):
    """Byte offsets in the control page of registers that exist once per node."""

    CONFIG = 0x000
    """Read only. The node's self-description (NodeConfig.descriptor)."""
    COORDINATES = 0x008
    """Read only. The node's own global address with offset 0."""
    CYCLE = 0x010
    """Read only. The cycle count that comes in from outside."""
    TOHOST_ADDRESS = 0x018
    """Address (0x8000_0000 based, 8-byte aligned) whose store with bit 0 set and bits 48-63 clear ends the node's program;
    0 disables."""
    TOHOST = 0x020
    """Read only. The value that ended the program; 0 as long as there was none. Writing TOHOST_ADDRESS clears it."""
    STATUS = 0x028
    """Bits 0-3 threads running, 4-7 waiting for a semaphore, 8-11 trapped, 12 exited by tohost,
    13 a semaphore overflowed, 14 a packet was dropped (an undeliverable response, or a kind that does not belong to its class),
    16-19 links present (north, east, south, west), 20-23 threads stopped by a debugger, 24-28 beside bit 13 the semaphore that
    overflowed first, else 0, 32-35 links that were present and have gone. A write of any value clears bits 13, 14, 24-28 and
    32-35."""
    FIRST_START = 0x030
    """Read only. Cycle in which a thread was started while none was active."""
    LAST_STOP = 0x038
    """Read only. Cycle in which the last active thread stopped."""
    MATRIX_STEPS = 0x040
    """Read only. Matrix steps issued."""
    RETIRED = 0x048
    """Read only. Instructions retired, all threads."""
    REQUESTS_SENT = 0x050
    """Read only. Request packets sent by this node's threads."""
    REQUESTS_RECEIVED = 0x058
    """Read only. Request packets delivered to this node."""
    BANK_CONFLICTS = 0x060
    """Read only. Accesses that lost a bank in a cycle, summed over requesters."""
    LINES_LOADED = 0x068
    """Read only. Lines that threads read from SRAM for vector registers, matrix steps and accumulators."""
    LINES_STORED = 0x070
    """Read only. Writes of threads into SRAM, each into one line."""


#: Bits of STATUS: a post found a semaphore full, and the number of the first one.
OVERFLOW_BIT = 13
OVERFLOWED_SEMAPHORE_BIT = 24
#: A packet was dropped; the first of a bit for each link that has gone.
DROPPED_BIT = 14
LOST_LINKS_BIT = 32

THREAD_BLOCK = 0x100
THREAD_STRIDE = 0x40


class ThreadRegister(IntEnum):
    """Byte offsets in a thread's block, which lies at THREAD_BLOCK + thread * THREAD_STRIDE."""

    PC = 0x00
    """Write: start the thread at this address (a thread that runs is moved there). Read: address of the next
    instruction; of a trapped thread, of the instruction that trapped. Of a STOPPED one: where RESUME goes on."""
    STATE = 0x08
    """Read: ThreadState. Write of any value: stop the thread; it becomes HALTED."""
    CAUSE = 0x10
    """Read only. mcause of the last trap."""
    VALUE = 0x18
    """Read only. mtval of the last trap."""
    EXIT_CODE = 0x20
    """Read only. Operand of the halt instruction; 0 after a start."""
    RETIRED = 0x28
    """Read only. Instructions retired by this thread (minstret)."""
    WAIT = 0x30
    """Read only. While WAITING: the semaphore in bits 0-4, what the thread needs of it in bits 16-31. Else 0."""
    UNHANDLED_ERRORS = 0x38
    """Read only. Network errors since the last start for which the thread has taken no trap, at most MAX_UNHANDLED_ERRORS: the
    one that is pending, and those that came while one was."""


#: What a thread's unhandled network errors count to.
MAX_UNHANDLED_ERRORS = 255


SEMAPHORE_BLOCK = 0x200
SEMAPHORE_STRIDE = 0x08
"""Semaphore s lies at SEMAPHORE_BLOCK + s * SEMAPHORE_STRIDE. Read: its value. Write: add the low 16 bits."""


COUNTER_BLOCK = 0x300
COUNTER_STRIDE = 0x80
"""Counters of thread t lie at COUNTER_BLOCK + t * COUNTER_STRIDE, number n at 8 * n: 0 is mcycle, 2 minstret, and those of Event
follow. Read only. A node with a sequential core has none of them: they read 0."""


DEBUG_BLOCK = 0x500
DEBUG_STRIDE = 0x40


class DebugRegister(IntEnum):
    """Byte offsets in a thread's debug block, which lies at DEBUG_BLOCK + thread * DEBUG_STRIDE."""

    COMMAND = 0x00
    """Write: a DebugCommand; other values are ignored. Reads 0."""
    CONTROL = 0x08
    """Read and write: bits of DebugControl, the others read 0. 0 after reset."""
    STATUS = 0x10
    """Read only. Bits 0-2 DebugReason; DEBUG_BUSY: a STOP, a STEP or an injected instruction is under way; DEBUG_FAILED: the last
    injected instruction trapped, with its mcause in bits DEBUG_CAUSE to DEBUG_CAUSE + 5, which are 0 otherwise."""
    INSTRUCTION = 0x18
    """Write: a STOPPED thread that is not busy executes the word in the low 32 bits; else the write is ignored. Reads 0."""
    DATA = 0x20
    """64 bits, read and write; also the CSR dscratch0 of injected instructions. 0 after reset."""


class DebugCommand(IntEnum):
    """What a debugger tells a thread."""

    STOP = 1
    RESUME = 2
    STEP = 3


class DebugControl(IntFlag):
    """When a thread stops by itself."""

    EBREAK = 1
    """``ebreak`` stops it instead of trapping."""
    TRAP = 2
    """It stops behind every trap that its handler takes."""


class DebugReason(IntEnum):
    """Why a thread became STOPPED last."""

    NONE = 0
    REQUEST = 1
    STEP = 2
    EBREAK = 3
    TRAP = 4


#: Bits of the debug block's STATUS.
DEBUG_BUSY = 8
DEBUG_FAILED = 9
DEBUG_CAUSE = 16


class RouteEntry(IntEnum):
    """What a routing table says about a destination: how a packet leaves this node. 6 and 7 mean the same as 5."""

    DIMENSION_ORDER = 0
    """In x first, then in y."""
    NORTH = Port.NORTH
    EAST = Port.EAST
    SOUTH = Port.SOUTH
    WEST = Port.WEST
    UNREACHABLE = 5
    """Not at all: the packet is undeliverable here."""


ROUTE_ENTRY_BITS = 3
ROUTE_NIBBLE_BITS = 4
#: Directions of destinations that lie outside of the table.
FAR_ROUTES = 9
#: Bits of each coordinate that the registers of the table are laid out for, whatever ``NodeConfig.route_bits`` is.
ROUTE_COORDINATE_BITS = NODE_COORDINATE_BITS
#: Entries in a register.
ROUTES_PER_REGISTER = 64 // ROUTE_NIBBLE_BITS

ROUTE_BLOCK = 0x800
ROUTE_STRIDE = 0x10
"""Routing table, read and write, see :func:`route_place`: row y lies at ROUTE_BLOCK + y * ROUTE_STRIDE, a nibble for each x,
lowest first. Nibbles that ``NodeConfig.route_bits`` does not cover read 0, and so does bit 3 of others. No reset clears it."""

ROUTE_FAR = 0xA00
"""Read and write: entries for destinations outside of the table, a nibble for each direction: :func:`far_route`. 0 by reset."""

ROUTE_CONTROL = 0xA08
"""Read and write. ROUTE_ENABLE: the table counts; else, as after reset, packets go in dimension order. The other bits read 0."""

ROUTE_ENABLE = 1


def route_place(x: int, y: int) -> tuple[int, int]:
    """Where the entry for the low bits (x, y) of a destination lies: offset of the register in the window, and its lowest bit."""
    offset = ROUTE_BLOCK + y * ROUTE_STRIDE + x // ROUTES_PER_REGISTER * 8
    return CONTROL_PAGE_OFFSET + offset, x % ROUTES_PER_REGISTER * ROUTE_NIBBLE_BITS


def far_route(x_sign: int, y_sign: int) -> int:
    """Which of the entries of ROUTE_FAR counts for a destination outside of the table.

    The signs tell how the upper bits of its coordinates compare with those of the node: -1 below, 0 equal, 1 above.
    """
    return 3 * (1 + y_sign) + 1 + x_sign


class ThreadState(IntEnum):
    """What a thread does."""

    HALTED = 0
    RUNNING = 1
    WAITING = 2
    TRAPPED = 3
    STOPPED = 4
    """By a debugger, which alone lets it go on."""


def control_offset(register: ControlRegister) -> int:
    """Offset in the node's window of a per-node register."""
    return CONTROL_PAGE_OFFSET + register


def thread_offset(thread: int, register: ThreadRegister) -> int:
    """Offset in the node's window of a register of a thread."""
    return CONTROL_PAGE_OFFSET + THREAD_BLOCK + thread * THREAD_STRIDE + register


def semaphore_offset(semaphore: int) -> int:
    """Offset in the node's window of a semaphore."""
    return CONTROL_PAGE_OFFSET + SEMAPHORE_BLOCK + semaphore * SEMAPHORE_STRIDE


def counter_offset(thread: int, number: int) -> int:
    """Offset in the node's window of a counter of a thread: 0 for mcycle, 2 for minstret, else an Event."""
    return CONTROL_PAGE_OFFSET + COUNTER_BLOCK + thread * COUNTER_STRIDE + 8 * number


def debug_offset(thread: int, register: DebugRegister) -> int:
    """Offset in the node's window of a register of a thread's debug block."""
    return CONTROL_PAGE_OFFSET + DEBUG_BLOCK + thread * DEBUG_STRIDE + register


# ---------------------------------------------------------------------------------------------------------------------
# CSRs and traps
# ---------------------------------------------------------------------------------------------------------------------


class Csr(IntEnum):
    """CSRs of a thread, beside those of PERFORMANCE_COUNTERS.

    Any other number is an illegal instruction, and so is a write to a read-only one. A write takes effect after the writing
    instruction. Registers of the privileged specification, version 1.13, are those of a hart with machine mode alone.
    """

    MSTATUS = 0x300
    """MIE (bit 3) and MPIE (bit 7) are writable, MPP (11-12) reads 3, machine mode, the rest 0."""
    MISA = 0x301
    """Reads RV64IM with X (non-standard extension): 1<<63 | 1<<8 | 1<<12 | 1<<23. Writes are ignored."""
    MIE = 0x304
    """Reads 0, writes are ignored: there are no interrupts."""
    MTVEC = 0x305
    """Direct mode only: bits 0 and 1 read 0. 0 means that there is no handler."""
    MCOUNTINHIBIT = 0x320
    """Bits CY (0) and IR (2), see CountInhibit, stop mcycle and minstret while they are set, and the bit of an Event's number its
    counter; the others read 0, on a sequential core those of events too. 0 after reset."""
    MSCRATCH = 0x340
    MEPC = 0x341
    """Bits 0 and 1 read 0."""
    MCAUSE = 0x342
    """All 64 bits are writable."""
    MTVAL = 0x343
    MIP = 0x344
    """Reads 0, writes are ignored."""
    DSCRATCH0 = 0x7B2
    """DATA of the thread's debug block. It exists for injected instructions alone, see INJECTED_CSRS."""
    MFORMAT0 = 0x7C0
    """Format descriptors f0 to f3, 16 bits each, lowest first; see FormatDescriptor."""
    MFORMAT1 = 0x7C1
    """Format descriptors f4 to f7."""
    MFORMAT2 = 0x7C2
    """Format descriptors f8 to f11."""
    MFORMAT3 = 0x7C3
    """Format descriptors f12 to f15."""
    MFLAGS = 0x7C4
    """Sticky flags of SIMD operations and converts, see Flag; the other bits read 0. Matrix steps set none."""
    MSEED = 0x7C5
    """Seed of stochastic rounding, 32 bits. Writing it, also with the same value, starts the generators anew; it reads as it
    was written."""
    MCYCLE = 0xB00
    """Cycles: after reset the count that comes in from outside. Writable; goes on from what is written, which is what an
    instruction in the next cycle reads."""
    MINSTRET = 0xB02
    """Instructions retired by the thread before this one; writable. A write takes effect after the writing
    instruction, which itself does not count on top of it. One that writes mcountinhibit counts if IR was clear before."""
    MNODE = 0xFC0
    """Read only. The node's own global address with offset 0."""
    MCONFIG = 0xFC1
    """Read only. NodeConfig.descriptor."""
    MVENDORID = 0xF11
    MARCHID = 0xF12
    MIMPID = 0xF13
    MHARTID = 0xF14
    """Read only: hart_id(x, y, thread). MVENDORID, MARCHID, MIMPID read 0."""
    MCONFIGPTR = 0xF15
    """Read only. 0: there is no such data structure."""


#: CSRs that only an injected instruction of a debugger finds; elsewhere they are illegal.
INJECTED_CSRS = frozenset({Csr.DSCRATCH0})


class CountInhibit(IntFlag):
    """Bits of MCOUNTINHIBIT."""

    CY = 1
    IR = 4


class Event(IntEnum):
    """What a pipelined core counts of each thread, by the number of the counter.

    The first ones count instructions that retire, by pipe. The others count cycles in which the thread is WAITING, or is RUNNING
    and issues nothing, each such cycle once: by the first that applies, in the order SEMAPHORE, FETCH, CREDIT, BANK, OPERAND,
    STRUCTURAL, of what holds back the thread's oldest instruction.
    """

    INTEGER = 3
    """Retired by the pipes alu and control."""
    LOAD = 4
    STORE = 5
    SIMD = 6
    MATRIX = 7
    FETCH = 8
    """No instruction is there, or what is there is not to be executed: the thread goes on elsewhere."""
    OPERAND = 9
    """A register, predicate or accumulator, or an earlier access to memory, is waited for; or the instruction has to be alone."""
    BANK = 10
    """It has to wait for an access of its thread to SRAM, which waits for its grant."""
    CREDIT = 11
    """No room in the network, or a read response needs the port by which vector loads write."""
    SEMAPHORE = 12
    """The thread is WAITING."""
    STRUCTURAL = 13
    """Its pipe, the divider or the generators of random bits are occupied, or another thread has taken them."""


#: Events that are instructions retired, and those that are cycles lost.
PIPE_EVENTS = (Event.INTEGER, Event.LOAD, Event.STORE, Event.SIMD, Event.MATRIX)
STALL_EVENTS = (Event.FETCH, Event.OPERAND, Event.BANK, Event.CREDIT, Event.SEMAPHORE, Event.STRUCTURAL)

#: Bits of MCOUNTINHIBIT that stop the counters of events.
EVENT_INHIBITS = sum(1 << event for event in Event)

#: Numbers n of performance counters: mhpmcounter<n> and mhpmevent<n> are the CSRs MHPMCOUNTER_BASE + n and MHPMEVENT_BASE + n.
#: Counters of an Event are writable, and their mhpmevent<n> read n; all others read 0. Other writes are ignored.
PERFORMANCE_COUNTERS = range(3, 32)
MHPMCOUNTER_BASE = 0xB00
MHPMEVENT_BASE = 0x320

#: Numbers of all CSRs by name, in the order of the numbers.
CSR_NUMBERS: dict[str, int] = dict(
    sorted(
        (
            *((csr.name.lower(), int(csr)) for csr in Csr),
            *((f"mhpmevent{n}", MHPMEVENT_BASE + n) for n in PERFORMANCE_COUNTERS),
            *((f"mhpmcounter{n}", MHPMCOUNTER_BASE + n) for n in PERFORMANCE_COUNTERS),
        ),
        key=lambda named: named[1],
    )
)


class Flag(IntFlag):
    """Bits of MFLAGS. The lower five lie as in RISC-V's fflags."""

    INEXACT = 1
    UNDERFLOW = 2
    OVERFLOW = 4
    DIVIDE_BY_ZERO = 8
    INVALID = 16
    DENORMAL = 32


class FormatKind(IntEnum):
    """Kinds of number format that a descriptor names."""

    BF16 = 0
    CFP8_143 = 1
    CFP8_152 = 2
    SHP = 3
    UHP = 4
    FP32 = 5


FORMAT_DESCRIPTORS = 16
BIAS_BITS = 6


@dataclass(frozen=True)
class FormatDescriptor:
    """A format descriptor of 16 bits: bias in bits 0-5, kind in bits 6-8, the others read 0.

    BF16, UHP and FP32 have a fixed bias; the field is kept and does nothing. Kinds 6 and 7 are written as BF16. After reset,
    every descriptor is 0.
    """

    kind: FormatKind
    bias: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bias < 1 << BIAS_BITS:
            raise ValueError(f"bias = {self.bias} is outside of 0 to {(1 << BIAS_BITS) - 1}")

    def __int__(self) -> int:
        return self.bias | self.kind << BIAS_BITS

    @classmethod
    def unpack(cls, value: int) -> FormatDescriptor:
        """What a write of these bits makes."""
        kind = value >> BIAS_BITS & 7
        return cls(FormatKind(kind) if kind in tuple(FormatKind) else FormatKind.BF16, value & (1 << BIAS_BITS) - 1)


#: Generators of stochastic rounding: lane seed = seed ^ (lane + 1) * GOLDEN_RATIO modulo 2**32, zero replaced by ZERO_STATE.
GOLDEN_RATIO = 0x9E37_79B9
ZERO_STATE = 0x6D2B_79F5

MISA_VALUE = 1 << 63 | 1 << 8 | 1 << 12 | 1 << 23


class Cause(IntEnum):
    """Values of ``mcause``. 24 is in the range that RISC-V leaves to implementations."""

    INSTRUCTION_MISALIGNED = 0
    INSTRUCTION_ACCESS_FAULT = 1
    ILLEGAL_INSTRUCTION = 2
    BREAKPOINT = 3
    LOAD_MISALIGNED = 4
    LOAD_ACCESS_FAULT = 5
    STORE_MISALIGNED = 6
    STORE_ACCESS_FAULT = 7
    ECALL_MACHINE = 11
    NETWORK_ERROR = 24


# ---------------------------------------------------------------------------------------------------------------------
# List transfers
# ---------------------------------------------------------------------------------------------------------------------

#: Bytes of a descriptor, which is aligned to them.
LIST_DESCRIPTOR_BYTES = 128
#: Dimensions of a list, at most.
LIST_DIMENSIONS = 4
#: Bits 0-15 of every descriptor: the letter L, and the version.
LIST_MAGIC = 0x4C01
#: Bits of a count, and of a valid range's ends.
LIST_COUNT_BITS = 16
LIST_STRIDE_BITS = 32
#: READs of a list that are under way, at most.
LIST_READS = 16

#: Bits of an offset in what is attached to a link: the 21 of the window, and above them bits 50 to 63 of the address.
ATTACHED_OFFSET_BITS = OFFSET_BITS + UPPER_BITS


class ListField(IntEnum):
    """Lowest bits of the fields of a descriptor's first double word; the magic number is in bits 0-15. All other bits are 0."""

    GRANULE = 16
    """2 bits: 8, 16, 32 or 64 bytes for 0 to 3."""
    DIMENSIONS = 18
    """2 bits: dimensions - 1."""
    CHAIN = 20
    """Another descriptor follows."""
    POST_SOURCE = 21
    POST_DESTINATION = 22
    SOURCE_SEMAPHORE = 24
    """5 bits."""
    DESTINATION_SEMAPHORE = 32
    """5 bits."""


class ListWord(IntEnum):
    """Double words of a descriptor."""

    CONTROL = 0
    SOURCE = 1
    DESTINATION = 2
    NEXT = 3
    STRIDES = 4
    """Of dimension 0; the others follow. Source in bits 0-31, destination in bits 32-63."""
    COUNTS = 8
    """Of dimension 0; the others follow. Count in bits 0-15, first valid index in bits 16-31, end of valid ones in bits 32-47."""


#: Double words of a descriptor that mean anything.
LIST_WORDS = ListWord.COUNTS + LIST_DIMENSIONS

#: Tags of lists. Bits 4-6 are the place. With LIST_TAG_READ, bits 0-3 number the READs of a place; else bits 0-1 are the thread
#: that started it, LIST_TAG_PACKET is set if it was a packet, and LIST_TAG_TURN changes from one list of a place to the next.
LIST_TAG = TagOwner.LIST << TAG_NUMBER_BITS
LIST_TAG_READ = 1 << 7
LIST_TAG_PLACE = 4
LIST_TAG_TURN = 1 << 3
LIST_TAG_PACKET = 1 << 2


class ListCause(IntEnum):
    """Why a list failed."""

    NONE = 0
    DESCRIPTOR = 1
    """It is none, or the node does not have what it asks for."""
    ENDS = 2
    """Neither source nor destination is in this node."""
    MISALIGNED = 3
    """An address or a stride is no multiple of the granule."""
    OFFSET = 4
    """A granule lies outside of what is there."""
    UNREACHABLE = 5
    REFUSED = 6
    """ERROR packets said so: UNREACHABLE and BAD_OFFSET."""
    ORDER = 7
    """An answer came out of order."""


class ListState(IntEnum):
    """What a place for lists does."""

    FREE = 0
    RUNNING = 1
    ENDING = 2
    """Its list has failed, and answers to its READs are still to come."""


#: The block of place p lies at LIST_BLOCK + p * LIST_STRIDE in the control page.
LIST_BLOCK = 0xB00
LIST_STRIDE = 0x20
#: Write: start the list whose descriptor has this offset. Reads 0.
LIST_START = 0xC00
#: Read: starts by packets that found no free place, at most 65,535. A write of any value clears it.
LIST_IGNORED = 0xC08


class ListRegister(IntEnum):
    """Byte offsets in the block of a place for lists."""

    STATE = 0x00
    """Read only, 0 when FREE. Bits 0-1 ListState; 2 pull; 3 started by a packet; 4-5 the thread that started it otherwise; 8-12
    READs under way; 32-52 offset of the descriptor."""
    FAILURE = 0x08
    """Bits 0-2 ListCause of the last list that failed here; 3-5 who started it, as in STATE; 32-52 offset of the descriptor that
    the place had then. A write clears it, and ADDRESS."""
    ADDRESS = 0x10
    """Read only. The global address that FAILURE is about."""
