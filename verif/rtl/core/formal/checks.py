# SPDX-License-Identifier: Apache-2.0
"""Properties of what a core shows by RVFI.

The checks are those of riscv-formal in kind: instructions one by one, where a thread goes on, registers, causality, memory,
liveness. Of ``order`` the low bits count, which is enough within the bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value

from golden.isa import INSTRUCTIONS as TABLE
from golden.layout import SRAM_BASE, Cause
from verif.rtl.core.formal.environment import Channel, Check, Environment
from verif.rtl.core.formal.instructions import SPECIFICATION, Instruction, Outcome, matches

__all__ = [
    "CODE", "INSTRUCTIONS", "LIVENESS", "LOADS", "PROGRAM_ORDER", "REGISTERS", "STORES", "TRAPS", "UNIQUE", "VECTORS",
    "instruction_check",
]  # fmt: skip

_VST = TABLE["vst"]

#: Bits of ``order`` that are looked at.
_ORDER_BITS = 6

#: Cycles in which a thread that runs may retire nothing, if memory answers at once: from X to what comes behind a misprediction.
IDLE_CYCLES = 5


def _all(rules: list[Any]) -> Value:
    return Cat(Value.cast(rule).bool() for rule in rules).all()


def _any(conditions: Any) -> Value:
    return Cat(Value.cast(condition).bool() for condition in conditions).any()


def _in_sram(environment: Environment, address: Any) -> Value:
    return (address >= SRAM_BASE) & (address < SRAM_BASE + environment.config.sram_bytes)


# -- instructions one by one ---------------------------------------------------------------------------------------------


def _expected_trap(environment: Environment, row: Instruction, outcome: Outcome) -> tuple[Any, Any, Any]:
    """Whether an instruction that could be fetched traps, its cause and mtval."""
    if outcome.address is not None:
        misaligned = (outcome.address & (outcome.size - 1)) != 0
        causes = (Cause.LOAD_MISALIGNED, Cause.LOAD_ACCESS_FAULT)
        if row.stores:
            causes = (Cause.STORE_MISALIGNED, Cause.STORE_ACCESS_FAULT)
        return misaligned | ~_in_sram(environment, outcome.address), Mux(misaligned, *causes), outcome.address
    if outcome.target is not None:
        return outcome.jumps & outcome.target[1], C(Cause.INSTRUCTION_MISALIGNED, 6), outcome.target
    return C(0), C(0, 6), C(0, 64)


def _late_channel(name: str) -> int | None:
    """The channel behind those of what retires at once on which an instruction's result shows."""
    row = SPECIFICATION[name]
    if row.match & 0x7F == 0x03:
        return 0
    if row.mask == 0xFE00707F and row.match >> 25 == 1:
        return 2 if name.startswith(("div", "rem")) else 1
    return None


def _keeps_specification(environment: Environment, row: Instruction, channel: Channel) -> Value:
    """What the channel shows is what the instruction does."""
    word, pc, rs1, rs2 = channel.insn, channel.pc_rdata, channel.rs1_rdata, channel.rs2_rdata
    outcome = row.does(word, pc, rs1, rs2, channel.mem_rdata)
    traps, cause, value = _expected_trap(environment, row, outcome)
    fetched = _in_sram(environment, pc)
    takes = ~fetched | traps
    rd = word[7:12] if "d" in row.operands else C(0, 5)
    mask = (1 << outcome.size) - 1
    following = (pc + 4)[:64]
    if outcome.target is not None:
        following = Mux(outcome.jumps, outcome.target, following)
    rules = [
        channel.trap == takes,
        (channel.rs1_addr == (word[15:20] if "1" in row.operands else 0)) | ~fetched,
        (channel.rs2_addr == (word[20:25] if "2" in row.operands else 0)) | ~fetched,
        channel.rd_addr == Mux(takes, 0, rd),
        (channel.rd_addr != 0) | (channel.rd_wdata == 0),
        channel.rd2_addr == 0,
        channel.mode == 3,
        channel.ixl == 2,
        takes | (channel.pc_wdata == following),
        # A store can end the program.
        takes | ~channel.halt | row.stores,
        channel.mem_rmask == (0 if row.stores else Mux(takes, 0, mask)),
        channel.mem_wmask == (Mux(takes, 0, mask) if row.stores else 0),
    ]
    if outcome.rd is not None:
        rules.append((channel.rd_addr == 0) | (channel.rd_wdata == outcome.rd))
    if outcome.address is not None:
        rules.append(takes | (channel.mem_addr == outcome.address))
    if row.stores:
        bits = 8 * outcome.size
        rules.append(takes | (channel.mem_wdata[:bits] == rs2[:bits]))
    if channel.number < environment.config.issue_width:
        retired = environment.core.retirement[channel.number]
        wanted = (Mux(fetched, cause, Cause.INSTRUCTION_ACCESS_FAULT), Mux(fetched, value, pc))
        rules.append(~takes | (retired.valid & retired.trap & (retired.cause == wanted[0]) & (retired.value == wanted[1])))
    return _all(rules)


def instruction_check(name: str) -> Check:
    """Whatever comes before and behind it, the instruction does what the specification says, to the bit."""
    row = SPECIFICATION[name]

    def build(m: Module, environment: Environment) -> tuple[Any, Any]:
        fails, reaches = [], []
        for channel in environment.channels:
            late = channel.number - environment.config.issue_width
            if late >= 0 and late != _late_channel(name):
                continue
            here = Signal(name=f"{name}_on_{channel.number}")
            # Where nothing can be fetched, no word is shown.
            m.d.comb += here.eq(channel.valid & matches(row, channel.insn))
            fails.append(here & ~_keeps_specification(environment, row, channel))
            reaches.append(here & ~channel.trap)
        return _any(fails), _any(reaches)

    return Check(f"insn_{name}", build)


#: By mnemonic.
INSTRUCTIONS = {name: instruction_check(name) for name in SPECIFICATION}

#: Words that are whole instructions beside those of the specification, and whether they trap: with which cause.
_SYSTEM = {
    0x00000073: Cause.ECALL_MACHINE,
    0x00100073: Cause.BREAKPOINT,
    0x30200073: None,
    0x10500073: None,
}


def _traps(m: Module, environment: Environment) -> tuple[Any, Any]:
    """Words that are no instruction, system instructions, CSRs, and what cannot be fetched: trap, cause, mtval."""
    exists = Signal()
    m.d.sync += exists.eq(environment.csrs[-1])
    fails, reaches = [], []
    for number in range(environment.config.issue_width):
        channel, retired = environment.channels[number], environment.core.retirement[number]
        word, pc = channel.insn, channel.pc_rdata
        fetched = _in_sram(environment, pc)
        csr = (word[:7] == 0x73) & (word[12:14] != 0)
        known = _any(matches(row, word) for row in SPECIFICATION.values())
        # The fields that fence.i does not use are reserved, and ignored.
        fence_i = (word[:7] == 0x0F) & (word[12:15] == 1)
        system = _any(word == code for code in _SYSTEM) | fence_i
        # An upper quarter of CSR numbers is read-only; csrrw writes whatever it names, the others if their field rs1 is not 0.
        writes = (word[12:14] == 1) | word[15:20].any()
        bad_csr = csr & (~exists | (writes & word[30:32].all()))
        illegal = ~(known | system | csr) | bad_csr
        ecall, ebreak = word == 0x73, word == 0x100073
        wanted: Any = Mux(illegal, Cause.ILLEGAL_INSTRUCTION, Mux(ecall, Cause.ECALL_MACHINE, Cause.BREAKPOINT))
        value = Mux(illegal, word, Mux(ecall, 0, pc))
        traps = ~fetched | illegal | ecall | ebreak
        cause = Mux(fetched, wanted, Cause.INSTRUCTION_ACCESS_FAULT)
        right = channel.trap & retired.valid & (retired.cause == cause) & (retired.value == Mux(fetched, value, pc))
        nothing = (channel.rd_addr == 0) & (channel.rd2_addr == 0) & (channel.mem_rmask == 0) & (channel.mem_wmask == 0)
        here = channel.valid & ~(known & fetched)
        fails += [here & Mux(traps, ~(right & nothing), channel.trap)]
        reaches += [here & illegal & fetched & ~csr]
    return _any(fails), _any(reaches)


TRAPS = Check("traps", _traps)


# -- what holds of all -------------------------------------------------------------------------------------------------


def _numbered(environment: Environment) -> Iterator[tuple[Channel, Value]]:
    for channel in environment.channels:
        yield channel, channel.order[:_ORDER_BITS]


def _program_order(m: Module, environment: Environment) -> tuple[Any, Any]:
    """An arbitrary instruction and the next, which begins where that goes on; the first begins where the thread is started."""
    picked = environment.picked[:_ORDER_BITS]
    seen, seen_next = Signal(2), Signal(2)
    goes_on, traps = Signal(64), Signal()
    begins, interrupts = Signal(64), Signal()
    m.d.sync += seen_next.eq(seen)
    now = {"seen": seen_next, "goes_on": goes_on, "traps": traps, "begins": begins, "interrupts": interrupts}
    shown: dict[str, Any] = dict(now)
    wrong_start = []
    for channel, order in _numbered(environment):
        first, second = channel.valid & (order == picked), channel.valid & (order == (picked + 1)[:_ORDER_BITS])
        shown["seen"] = shown["seen"] | Cat(first, second)
        for name, value, when in (
            ("goes_on", channel.pc_wdata, first),
            ("traps", channel.trap, first),
            ("begins", channel.pc_rdata, second),
            ("interrupts", channel.intr, second),
        ):
            shown[name] = Mux(when, value, shown[name])
        wrong_start.append(channel.valid & (order == 0) & ((channel.pc_rdata != environment.first_pc) | ~channel.intr))
    m.d.comb += seen.eq(shown["seen"])
    for name in ("goes_on", "traps", "begins", "interrupts"):
        m.d.sync += now[name].eq(shown[name])
    both = seen.all() & ~seen_next.all()
    expected: Any = (shown["begins"] == shown["goes_on"]) & (~shown["interrupts"] | shown["traps"])
    if environment.surroundings.restarts or environment.surroundings.errors:
        expected = (shown["begins"] == shown["goes_on"]) | shown["interrupts"]
        wrong_start = []
    # Something jumped backwards.
    jumped = shown["begins"] < environment.first_pc
    return (both & ~expected) | _any([*wrong_start, 0]), both & jumped & (picked == 1)


PROGRAM_ORDER = Check("program_order", _program_order)


def _unique(m: Module, environment: Environment) -> tuple[Any, Any]:
    """An arbitrary number shows once."""
    picked = environment.picked[:_ORDER_BITS]
    seen = Signal()
    here = [channel.valid & (order == picked) for channel, order in _numbered(environment)]
    with m.If(_any(here)):
        m.d.sync += seen.eq(1)
    twice = _any(here) & seen
    together = _any(mine & other for place, mine in enumerate(here) for other in here[:place])
    return twice | together, seen & (picked == 3)


UNIQUE = Check("unique", _unique)


def _registers(m: Module, environment: Environment) -> tuple[Any, Any]:
    """An arbitrary instruction reads of an arbitrary register what was written last before it in program order.

    All older writes of what it reads have shown when it shows, and none shows later.
    """
    picked, register = environment.picked[:_ORDER_BITS], environment.register
    value, latest, written, shown = Signal(64), Signal(_ORDER_BITS), Signal(), Signal()
    newest: tuple[Any, Any, Any] = (value, latest, written)
    wrong, late = [], []
    for channel, order in _numbered(environment):
        for number, data in ((channel.rd_addr, channel.rd_wdata), (channel.rd2_addr, channel.rd2_wdata)):
            writes = channel.valid & (order < picked) & (number == register) & (register != 0)
            newer = Signal()
            m.d.comb += newer.eq(writes & (~newest[2] | (order >= newest[1])))
            newest = (Mux(newer, data, newest[0]), Mux(newer, order, newest[1]), newest[2] | newer)
            late.append(writes & shown)
    m.d.sync += [value.eq(newest[0]), latest.eq(newest[1]), written.eq(newest[2])]
    reads = []
    for channel, order in _numbered(environment):
        mine = channel.valid & (order == picked)
        # Those that have nothing to do with the register may show before older ones.
        named = (channel.rs1_addr, channel.rs2_addr, channel.rd_addr, channel.rd2_addr)
        with m.If(mine & _any(number == register for number in named)):
            m.d.sync += shown.eq(1)
        for number, data in ((channel.rs1_addr, channel.rs1_rdata), (channel.rs2_addr, channel.rs2_rdata)):
            wrong.append(mine & (number == register) & (data != newest[0]))
            reads.append(mine & (number == register) & newest[2])
    return _any(wrong) | _any(late), _any(reads)


REGISTERS = Check("registers", _registers)


def _vectors(m: Module, environment: Environment) -> tuple[Any, Any]:
    """An arbitrary vst stores of an arbitrary vector register what was written last before it in program order.

    Of each line a byte is looked at.
    """
    core = environment.core
    picked, register = environment.picked[:_ORDER_BITS], environment.register
    value, latest, written, shown = Signal(8), Signal(_ORDER_BITS), Signal(), Signal()
    newest: tuple[Any, Any, Any] = (value, latest, written)
    late = []
    for port in ("vector0", "vector1"):
        valid, order, number, data = (getattr(core, f"xvfi_{port}_{field}") for field in ("valid", "order", "vd", "data"))
        writes, newer = Signal(name=f"writes_{port}"), Signal(name=f"newer_{port}")
        m.d.comb += [
            writes.eq(valid & (order[:_ORDER_BITS] < picked) & (number == register)),
            newer.eq(writes & (~newest[2] | (order[:_ORDER_BITS] >= newest[1]))),
        ]
        newest = (Mux(newer, data[:8], newest[0]), Mux(newer, order[:_ORDER_BITS], newest[1]), newest[2] | newer)
        late.append(writes & shown)
    m.d.sync += [value.eq(newest[0]), latest.eq(newest[1]), written.eq(newest[2])]
    # It shows when it retires; SRAM may grant the write later.
    known, stores, here = Signal(), Signal(), []
    for channel, order in _numbered(environment):
        names_it = ((channel.insn & _VST.mask) == _VST.match) & (channel.insn[20:25] == register)
        here.append(channel.valid & (order == picked) & ~channel.trap & names_it)
    m.d.comb += stores.eq(known | _any(here))
    m.d.sync += known.eq(stores)
    stored = stores & core.xvfi_write_valid & (core.xvfi_write_order[:_ORDER_BITS] == picked)
    with m.If(stored):
        m.d.sync += shown.eq(1)
    return (stored & (core.xvfi_write_data[:8] != newest[0])) | _any(late), stored & newest[2]


VECTORS = Check("vectors", _vectors)


def _code(m: Module, environment: Environment) -> tuple[Any, Any]:
    """What executes at an arbitrary address is the word that memory holds there, if it holds the same all the time."""
    word, number = environment.picked[:32], environment.picked[32:]
    address = environment.looked_up
    words = len(environment.words) // 32
    low = (words - 1).bit_length()
    changes, changed = Signal(), Signal()
    m.d.comb += changes.eq(
        environment.hit & (address[low:] == number[low:]) & (environment.words.word_select(number[:low], 32) != word)
    )
    with m.If(changes & environment.started):
        m.d.sync += changed.eq(1)
    here = [
        channel.valid & _in_sram(environment, channel.pc_rdata) & (channel.pc_rdata[2:21] == number)
        for channel in environment.channels
    ]
    wrong = [mine & (channel.insn != word) for mine, channel in zip(here, environment.channels, strict=True)]
    return _any(wrong) & ~changed, _any(here) & ~changed


CODE = Check("code", _code)


def _loads(m: Module, environment: Environment) -> tuple[Any, Any]:
    """What a load shows is what its port brought: of its line, granted two cycles before, in the cycle before."""
    config, port = environment.config, environment.core.scalar
    byte_bits = (config.line_bytes - 1).bit_length()
    granted = Signal(2)
    line, asked = Signal.like(port.address), Signal.like(port.address)
    data = Signal.like(port.data)
    m.d.sync += [
        granted.eq(Cat(port.req & port.grant, granted[0])),
        asked.eq(port.address),
        line.eq(asked),
        data.eq(port.data),
    ]
    channel = environment.channels[config.issue_width]
    low = channel.mem_addr[:byte_bits]
    value = (data >> (low << 3))[:64]
    bits = Cat(channel.mem_rmask[byte].replicate(8) for byte in range(8))
    right = granted[1] & (line == channel.mem_addr[byte_bits : byte_bits + len(line)])
    return channel.valid & ~(right & (channel.mem_rdata == (value & bits))), channel.valid & (channel.mem_rdata != 0)


LOADS = Check("loads", _loads)


def _stores(m: Module, environment: Environment) -> tuple[Any, Any]:
    """SRAM is written by what shows as a store, and by nothing else: each once, in order, the bytes and the place that show."""
    config, port = environment.config, environment.core.store
    byte_bits = (config.line_bytes - 1).bit_length()
    written, line = Signal(), Signal.like(port.address)
    mask, data = Signal.like(port.mask), Signal.like(port.data)
    m.d.sync += [
        written.eq(port.req & port.grant & port.mask.any()),
        line.eq(port.address),
        mask.eq(port.mask),
        data.eq(port.data),
    ]
    waits, address, bytes_, value = Signal(), Signal(64), Signal(8), Signal(64)
    stores: Any = waits
    expected: tuple[Any, Any, Any] = (address, bytes_, value)
    twice = []
    for channel in environment.channels[: config.issue_width]:
        here = channel.valid & channel.mem_wmask.any()
        twice.append(here & stores)
        stores = stores | here
        new = (channel.mem_addr, channel.mem_wmask, channel.mem_wdata)
        expected = tuple(Mux(here, mine, before) for mine, before in zip(new, expected, strict=True))
    m.d.sync += [
        waits.eq(stores & ~written),
        address.eq(expected[0]),
        bytes_.eq(expected[1]),
        value.eq(expected[2]),
    ]
    low = expected[0][:byte_bits]
    right = [
        stores,
        line == expected[0][byte_bits : byte_bits + len(line)],
        mask == (expected[1] << low)[: len(mask)],
        *(
            ~mask[place] | (data.word_select(place, 8) == expected[2].word_select((place - low)[:3], 8))
            for place in range(config.line_bytes)
        ),
    ]
    return (written & ~_all(right)) | _any(twice), written & (expected[2] != 0) & ~expected[1].all()


STORES = Check("stores", _stores)


def _liveness(m: Module, environment: Environment) -> tuple[Any, Any]:
    """Where memory answers at once, a thread that runs retires something at least every so many cycles."""
    idle = Signal(range(32))
    retires = _any(channel.valid for channel in environment.channels)
    running = Signal()
    m.d.sync += running.eq(environment.core.running[0])
    with m.If(retires | ~running):
        m.d.sync += idle.eq(0)
    with m.Elif(idle != 31):
        m.d.sync += idle.eq(idle + 1)
    core, waited = environment.core, Signal()
    waits = _any(port.req & ~port.grant for port in (core.scalar, core.store, core.load0, core.load1))
    # Divisions take their time, and the network has its own.
    with m.If(environment.started & (waits | ~environment.hit | ~environment.divided | ~environment.tx_room)):
        m.d.sync += waited.eq(1)
    return (idle > IDLE_CYCLES) & ~waited, (idle == IDLE_CYCLES) & (environment.since > 8) & ~waited


LIVENESS = Check("liveness", _liveness)
