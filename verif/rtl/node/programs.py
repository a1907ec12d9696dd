# SPDX-License-Identifier: Apache-2.0
"""Random programs from the instruction table, built to end, to be free of races, and to shrink.

A program is a list of items; each becomes a few words that need nothing of the items before it but registers' values, so
any item can be dropped. Registers: x8 holds the middle of the thread's data, x16 to x19 are pointers that the items set, x20
counts loops, x21 is the stride of gathers, x31 belongs to the trap handler, which skips the instruction that trapped. All
others are data.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS, Instruction, Unit
from golden.layout import (
    MHPMCOUNTER_BASE,
    MHPMEVENT_BASE,
    PERFORMANCE_COUNTERS,
    SRAM_BASE,
    STALL_EVENTS,
    Csr,
    semaphore_offset,
)
from verif.golden.encoding import encode, load_constant

DATA_REGISTERS = (0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13)
DATA, POINTERS, COUNTER, STRIDE, HANDLER = 8, (16, 17, 18, 19), 20, 21, 31
VECTORS = (0, 1, 2, 3, 31)
#: Registers that the program loads first; transposes read groups of up to sixteen.
LOADED_VECTORS = (*range(16), 31)

_FORMAT_CSRS = (Csr.MFORMAT0, Csr.MFORMAT1, Csr.MFORMAT2, Csr.MFORMAT3)

#: Bytes of a thread's code and of its data; x8 points to the middle of the data.
CODE_BYTES, DATA_BYTES = 0x1000, 0x800


@dataclass(frozen=True)
class Item:
    """Words that belong together. A branch skips the ``skip`` items after it; a loop runs ``body`` ``turns`` times."""

    words: tuple[int, ...] = ()
    branch: tuple[str, tuple[int, ...]] | None = None
    skip: int = 0
    body: tuple[Item, ...] = ()
    turns: int = 0


def data_address(config: NodeConfig, thread: int) -> int:
    """Where a thread's data starts; all code comes first, as much as at least two threads have."""
    return SRAM_BASE + max(2, config.threads) * CODE_BYTES + thread * DATA_BYTES


#: Words that are interesting as FP32, as two BF16 and as codes of eight bits: signs, zeros, denormals, ones, largest, Inf, NaN.
_WORDS = (
    0x0000_0000, 0x8000_0000, 0x3F80_0000, 0xBF80_0000, 0x4000_0000, 0x3F00_0000, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000,
    0x7F80_0001, 0xFFFF_FFFF, 0x0000_0001, 0x807F_FFFF, 0x0080_0000, 0x7F7F_FFFF, 0xFF7F_FFFF, 0x4B80_0001, 0x4F00_0000,
    0x3F80_3F80, 0x7F80_BF80, 0x0001_8001, 0x7FC0_7F81, 0x3F81_4049, 0x7F7F_FF7F, 0x3EAA_AAAB, 0x4049_0FDB, 0xC2FC_0000,
    0x7878_F8F8, 0x0102_8384, 0x7F7B_FC03, 0x8000_7FFF, 0x0000_FFFF,
)  # fmt: skip


def memory() -> st.SearchStrategy[bytes]:
    """What the data holds, repeated; the period is not one of lines, so that lines differ."""
    near_one = st.tuples(st.integers(0x3C00, 0x43FF), st.integers(0, 0xFFFF)).map(lambda w: w[0] << 16 | w[1])
    word = st.one_of(st.sampled_from(_WORDS), st.integers(0, 2**32 - 1), near_one)
    return st.lists(word, min_size=15, max_size=15).map(lambda words: b"".join(w.to_bytes(4, "little") for w in words))


def _constant(register: int, value: int) -> list[int]:
    """Words that put a 64-bit value into a scalar register, as few as there need be."""
    value = (value & 2**64 - 1 ^ 2**63) - 2**63
    if -0x800 <= value < 0x800:
        return [encode("addi", register, 0, value)]
    low = (value & 0xFFF ^ 0x800) - 0x800
    upper = [*_constant(register, value - low >> 12), encode("slli", register, register, 12)]
    return [*upper, encode("addi", register, register, low)] if low else upper


def _items(config: NodeConfig, thread: int) -> st.SearchStrategy[Item]:
    register = st.sampled_from(DATA_REGISTERS)
    vector = st.sampled_from(VECTORS)
    accumulator = st.integers(0, config.accumulators - 1)
    line = config.line_bytes
    half = DATA_BYTES // 2

    def words(*parts: st.SearchStrategy[list[int]]) -> st.SearchStrategy[Item]:
        return st.tuples(*parts).map(lambda lists: Item(tuple(word for words in lists for word in words)))

    def plain(mnemonics: list[str], **operands: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
        rows = [INSTRUCTIONS[mnemonic] for mnemonic in mnemonics]

        def words_of(row: Instruction) -> st.SearchStrategy[list[int]]:
            values = st.tuples(*(operands[operand] for operand in row.operands))
            return values.map(lambda chosen: [encode(row.mnemonic, *chosen)])

        return st.one_of([words_of(row) for row in rows])

    alu = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.ALU]
    multiply_divide = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit in (Unit.MULTIPLY, Unit.DIVIDE)]
    scalar = {
        "rd": register,
        "rs1": register,
        "rs2": register,
        "imm_i": st.integers(-0x800, 0x7FF),
        "imm_u": st.integers(0, 0xF_FFFF),
        "shamt": st.integers(0, 63),
        "shamtw": st.integers(0, 31),
    }

    def access(unit: Unit) -> st.SearchStrategy[list[int]]:
        rows = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is unit]
        aligned = st.integers(-half // 8, half // 8 - 1).map(lambda n: 8 * n)
        # One in a few is misaligned or comes from a base that is nowhere.
        offset = st.one_of(aligned, aligned, aligned, st.integers(-half, half - 8))
        base = st.sampled_from((DATA, DATA, DATA, DATA, DATA, DATA, 0))
        return plain(rows, rd=register, rs2=register, rs1=base, imm_i=offset, imm_s=offset)

    # Often the same few lines, so that accesses meet.
    line_offset = st.one_of(st.integers(0, 2), st.integers(-half // line, half // line - 1)).map(lambda n: n * line)
    tile_lines = max(1, config.accumulator_lines)
    tile_offset = st.integers(-half // line, half // line - tile_lines).map(lambda n: n * line)

    def pointer(number: int, offset: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
        return offset.map(lambda o: [encode("addi", number, DATA, o)])

    even, odd = st.sampled_from((16, 18)), st.sampled_from((17, 19))
    all_pointers = [pointer(number, line_offset) for number in POINTERS]

    steps = [row.mnemonic for row in INSTRUCTIONS.values() if row.mnemonic.startswith("mstep")]
    in_memory = [m for m in steps if "rs1" in INSTRUCTIONS[m].operands]
    in_registers = [m for m in steps if "vs1" in INSTRUCTIONS[m].operands]
    tiles = [m for m in INSTRUCTIONS if m.startswith(("mld", "mst."))]

    # Cycles, also lost ones, are no matter of the program, and the handler stays.
    stalls = {MHPMCOUNTER_BASE + event for event in STALL_EVENTS}
    csrs = st.one_of(
        st.sampled_from([int(csr) for csr in Csr if csr is not Csr.MCYCLE and csr is not Csr.MTVEC]),
        st.sampled_from((0x7FF, 0xC00, 0x321, 0xB01, 0xB20, 0x306)),
        st.sampled_from(
            [base + n for base in (MHPMCOUNTER_BASE, MHPMEVENT_BASE) for n in PERFORMANCE_COUNTERS if base + n not in stalls]
        ),
    )
    predicate, descriptor = st.integers(0, 7), st.integers(0, 15)
    lane_operands = {
        "vd": vector, "vs1": vector, "vs2": vector, "pd": predicate, "pm": st.one_of(st.just(0), predicate),
        "rs1": register, "rs2": register, "fmt": descriptor,
    }  # fmt: skip
    simd = [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.SIMD and "part" not in row.operands]
    transposes = [row.mnemonic for row in INSTRUCTIONS.values() if "part" in row.operands]
    # Mostly kinds that the matrix unit takes.
    kind = st.one_of(st.integers(0, 2), st.integers(0, 2), st.integers(0, 7))
    format_bits = st.tuples(kind, st.integers(0, 63)).map(lambda f: f[0] << 6 | f[1])
    strided = [row.mnemonic for row in INSTRUCTIONS.values() if row.mnemonic.startswith("vlds")]
    indexed = [row.mnemonic for row in INSTRUCTIONS.values() if row.mnemonic.startswith("vldx")]
    small_stride = st.one_of(st.integers(-4, 4).map(lambda n: 8 * n), st.integers(-64, 64))
    granules = st.integers(-1, line // 8 + 1)
    own_semaphore = 2 * thread + 1
    own_node = st.just([encode("csrrs", 18, Csr.MNODE, 0)])

    def to_own_node(offset: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
        """x19 = global address of a line of the thread's data."""
        start = data_address(config, thread) - SRAM_BASE + half
        return offset.map(lambda o: [*_constant(19, start + o), encode("add", 19, 19, 18)])

    def post_and_wait(count: int, taken: int) -> list[int]:
        return [
            encode("addi", 16, 0, count),
            encode("spost", own_semaphore, 16),
            encode("addi", 16, 0, min(taken, count)),
            encode("swait", own_semaphore, 16),
        ]

    one = [encode("addi", 16, 0, 1), encode("swait", own_semaphore - 1, 16)]
    straight = st.one_of(
        words(plain(alu, **scalar)),
        words(plain(multiply_divide, **scalar)),
        words(access(Unit.LOAD)),
        words(access(Unit.STORE)),
        words(plain(["ecall", "ebreak", "fence", "fence.i", "wfi"], pred=st.just(15), succ=st.just(15))),
        words(st.sampled_from((0x0000_0000, 0xFFFF_FFFF, 0x0000_0007)).map(lambda word: [word])),
        words(
            plain(
                [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.CSR],
                rd=register,
                rs1=register,
                zimm=st.integers(0, 31),
                csr=csrs,
            )
        ),
        # While mcycle is inhibited, it is what it has been written.
        words(
            st.just([encode("csrrwi", 0, Csr.MCOUNTINHIBIT, 5), encode("csrrw", 0, Csr.MCYCLE, 1)]),
            plain(["csrrw", "csrrs", "csrrc"], rd=register, rs1=register, csr=st.just(Csr.MCYCLE)),
            register.map(lambda rd: [encode("csrrs", rd, Csr.MCYCLE, 0)]),
            st.sampled_from((0, 1, 4, 5)).map(lambda inhibit: [encode("csrrwi", 0, Csr.MCOUNTINHIBIT, inhibit)]),
        ),
        words(plain(["vld", "vst"], vd=vector, vs2=vector, rs1=st.just(DATA), imm_i=line_offset, imm_s=line_offset)),
        words(plain(["vld", "vst"], vd=vector, vs2=vector, rs1=st.just(DATA), imm_i=tile_offset.map(lambda o: o + 4),
                    imm_s=tile_offset.map(lambda o: o + 4))),
        words(
            pointer(16, line_offset),
            plain(["vld.p", "vst.p"], vd=vector, vs2=vector, rs1=st.just(16), imm_i=line_offset, imm_s=line_offset),
        ),
        words(plain(simd, **lane_operands)),
        words(plain(simd, **lane_operands), plain(simd, **lane_operands), plain(simd, **lane_operands)),
        words(plain(transposes, **lane_operands | {"vs1": st.sampled_from((0, 1, 2, 4, 8)), "part": st.integers(0, 15)})),
        words(
            plain(
                [row.mnemonic for row in INSTRUCTIONS.values() if row.unit is Unit.PREDICATE],
                rd=register, rs1=register, pd=predicate, ps1=predicate, ps2=predicate,
            )
        ),
        words(
            format_bits.map(lambda bits: _constant(16, bits)),
            plain(["setfmt"], fmt=descriptor, rs1=st.just(16)),
            plain(in_registers, md=accumulator, vs1=vector, vs2=vector, fab=descriptor),
        ),
        words(
            pointer(16, tile_offset),
            st.tuples(granules, small_stride).map(
                lambda g: _constant(STRIDE, (g[0] << 32 | g[1] & 0xFFFF_FFFF) & 0xFFFF_FFFF_FFFF_FFFF)
            ),
            plain(strided, vd=vector, rs1=st.just(16), rs2=st.just(STRIDE)),
        ),
        words(
            pointer(16, st.just(0)),
            # Offsets within the data, from lanes of any vector.
            st.just([*_constant(STRIDE, 0x3F8), encode("vbc.e32", 1, STRIDE)]),
            plain(["vand"], vd=st.just(1), vs1=st.just(1), vs2=vector, pm=st.just(0)),
            plain(indexed, vd=vector, rs1=st.just(16), vs2=st.sampled_from((1, 1, 1, 0))),
        ),
        words(
            *all_pointers,
            plain(in_memory, md=accumulator, rs1=even, rs2=odd, fab=descriptor),
            plain(in_memory, md=accumulator, rs1=odd, rs2=even, fab=descriptor),
            plain(in_memory, md=accumulator, rs1=even, rs2=odd, fab=descriptor),
        ),
        words(plain(in_registers, md=accumulator, vs1=vector, vs2=vector, fab=descriptor)),
        words(plain(["mzero"], md=st.integers(0, 7))),
        words(pointer(16, tile_offset), plain(tiles, md=accumulator, rs1=st.just(16), fmt=descriptor)),
        words(st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda counts: post_and_wait(*counts))),
        words(own_node, to_own_node(line_offset), plain(["nwrite.s", "nwrite.sp"], vs2=vector, rs1=st.just(19),
              sem=st.just(own_semaphore - 1)), st.just(one)),
        words(own_node, to_own_node(line_offset), vector.map(lambda v: [encode("nread", v, 19), encode("vst", v, 0, DATA)])),
        # The response comes while results are written.
        words(
            own_node, to_own_node(line_offset), vector.map(lambda v: [encode("nread", v, 19)]),
            *[st.one_of(plain(["vld"], vd=vector, rs1=st.just(DATA), imm_i=line_offset), plain(simd, **lane_operands))] * 4,
        ),
        words(
            own_node,
            st.just([*_constant(19, semaphore_offset(own_semaphore - 1)), encode("add", 19, 19, 18)]),
            st.just([encode("addi", 16, 0, 1), encode("nsd", 16, 19), *one]),
        ),
    )  # fmt: skip
    branches = [row.mnemonic for row in INSTRUCTIONS.values() if "imm_b" in row.operands]
    skip = st.integers(0, 3)
    branch = st.tuples(st.sampled_from(branches), register, register, skip).map(
        lambda b: Item(branch=(b[0], (b[1], b[2])), skip=b[3])
    )
    jump = st.tuples(register, skip).map(lambda j: Item(branch=("jal", (j[0],)), skip=j[1]))
    misaligned = words(st.just([encode("jal", 1, 6)]), st.just([encode("addi", 2, 2, 1)]))
    loop = st.tuples(st.lists(straight, max_size=4), st.integers(1, 5)).map(lambda b: Item(body=tuple(b[0]), turns=b[1]))
    return st.one_of(straight, straight, straight, straight, branch, jump, misaligned, loop)


def programs(config: NodeConfig, thread: int, max_items: int = 30) -> st.SearchStrategy[list[Item]]:
    """Strategy for one thread's program."""
    items = _items(config, thread)
    # Short ones first, for shrinking; lists without a lower bound have a few elements on average.
    sequences = st.one_of(st.lists(items, max_size=max_items), st.lists(items, min_size=max_items // 2, max_size=max_items))
    return sequences.filter(lambda found: 4 * len(assemble(config, thread, found)) <= CODE_BYTES)


def assemble(config: NodeConfig, thread: int, items: list[Item]) -> list[int]:
    """All words of a thread's program: set-up, the items, all accumulators to the data, halt, trap handler."""
    words: list[int] = []

    def length(item: Item) -> int:
        if item.branch:
            return 1
        return len(item.words) + (3 + sum(map(length, item.body)) if item.turns else 0)

    def emit(sequence: tuple[Item, ...] | list[Item]) -> None:
        for index, item in enumerate(sequence):
            if item.branch:
                mnemonic, operands = item.branch
                distance = 4 * (1 + sum(map(length, sequence[index + 1 : index + 1 + item.skip])))
                words.append(encode(mnemonic, *operands, distance))
            elif item.turns:
                words.append(encode("addi", COUNTER, 0, item.turns))
                top = len(words)
                emit(item.body)
                words.append(encode("addi", COUNTER, COUNTER, -1))
                words.append(encode("bne", COUNTER, 0, 4 * (top - len(words))))
            else:
                words.extend(item.words)

    emit(items)
    body = list(words)
    setup = load_constant(DATA, data_address(config, thread) + DATA_BYTES // 2)
    # Reset clears neither accumulators nor vector registers.
    setup += [encode("mzero", accumulator) for accumulator in range(config.accumulators)]
    setup += [encode("vld", vector, index * config.line_bytes, DATA) for index, vector in enumerate(LOADED_VECTORS)]
    for number, csr in enumerate(_FORMAT_CSRS):
        setup += [encode("ld", 5, 8 * number, DATA), encode("csrrw", 0, csr, 5)]
    setup += [encode("ld", 5, 8, DATA)]
    for number in range(1, 8):
        setup += [encode("pmv.p.x", number, 5), encode("srli", 5, 5, 5)]
    end: list[int] = [encode("addi", 16, DATA, -DATA_BYTES // 2)]
    for accumulator in range(config.accumulators):
        end.append(encode("mst.f32.p", accumulator, 16))
    end += [encode("pmv.x.p", 5, number) for number in range(8)]
    end += [encode("csrrs", 5, csr, 0) for csr in (Csr.MFLAGS, Csr.MSEED, *_FORMAT_CSRS)]
    end.append(encode("halt", 0))
    handler = [
        encode("csrrs", HANDLER, Csr.MEPC, 0),
        encode("addi", HANDLER, HANDLER, 4),
        encode("csrrw", 0, Csr.MEPC, HANDLER),
        encode("mret"),
    ]
    start = SRAM_BASE + thread * CODE_BYTES
    words_before_handler = len(load_constant(HANDLER, 0)) + 1 + len(setup) + len(body) + len(end)
    vector = [*load_constant(HANDLER, start + 4 * words_before_handler), encode("csrrw", 0, Csr.MTVEC, HANDLER)]
    return vector + setup + body + end + handler
