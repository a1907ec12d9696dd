# SPDX-License-Identifier: Apache-2.0
"""Where code is predicted to go on: a branch target buffer with a direction counter per branch."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.frontend.entry import WORD_ADDRESS_BITS, BranchUpdate, window_words

__all__ = ["BranchPredictor"]

_WAYS = 2


class BranchPredictor(wiring.Component):
    """Branch target buffer of two ways, a set for each fetch window modulo the number of sets.

    An entry belongs to one word. Its counter of two bits goes up when the branch is taken and down when not, and predicts by
    its upper bit; a jump sets it to 3. A taken branch that has no entry gets one with the counter at 2, in place of a free one
    or, by turns in each set, of one of the two.

    Lookups answer in the same cycle, and see updates from the cycle after on.

    Parameters
    ----------
    config : NodeConfig
        ``btb_entries`` entries in all.

    Members
    -------
    flush : In(1)
        Forget everything.
    address : In(word address in the node's window)
    taken : Out(1)
        A branch at or behind the address, in the same window, is predicted taken.
    word : Out(word in the window), target : Out(word address)
        The first one, and where it leads.
    update : In(BranchUpdate)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "flush": In(1),
                "address": In(WORD_ADDRESS_BITS),
                "taken": Out(1),
                "word": Out(range(window_words(config))),
                "target": Out(WORD_ADDRESS_BITS),
                "update": In(BranchUpdate()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word_bits = ceil_log2(window_words(self.config))
        sets = self.config.btb_entries // _WAYS
        tag_at = word_bits + ceil_log2(sets)
        entry = data.StructLayout(
            {
                "tag": unsigned(WORD_ADDRESS_BITS - tag_at),
                "word": unsigned(word_bits),
                "target": unsigned(WORD_ADDRESS_BITS),
                "counter": unsigned(2),
            }
        )
        looked_set, update_set = self.address[word_bits:tag_at], self.update.pc[word_bits:tag_at]

        valid = [Signal(sets, name=f"valid{way}") for way in range(_WAYS)]
        turn = Signal(sets)
        found = [Signal(entry, name=f"found{way}") for way in range(_WAYS)]
        trained = [Signal(entry, name=f"trained{way}") for way in range(_WAYS)]
        taken, known, used, writes = (Signal(_WAYS, name=name) for name in ("takes", "known", "used", "writes"))
        written = Signal(entry)
        for way in range(_WAYS):
            m.submodules[f"entries{way}"] = entries = Memory(shape=entry, depth=sets, init=[])
            write, look, train = entries.write_port(), entries.read_port(domain="comb"), entries.read_port(domain="comb")
            m.d.comb += [
                look.addr.eq(looked_set),
                found[way].eq(look.data),
                train.addr.eq(update_set),
                trained[way].eq(train.data),
                write.addr.eq(update_set),
                write.data.eq(written),
                write.en.eq(writes[way]),
                taken[way].eq(
                    valid[way].bit_select(looked_set, 1)
                    & (found[way].tag == self.address[tag_at:])
                    & (found[way].word >= self.address[:word_bits])
                    & found[way].counter[1]
                ),
                used[way].eq(valid[way].bit_select(update_set, 1)),
                known[way].eq(
                    used[way] & (trained[way].tag == self.update.pc[tag_at:]) & (trained[way].word == self.update.pc[:word_bits])
                ),
            ]
            with m.If(writes[way]):
                m.d.sync += valid[way].bit_select(update_set, 1).eq(1)
            with m.If(self.flush):
                m.d.sync += valid[way].eq(0)

        second = Signal()
        m.d.comb += [
            self.taken.eq(taken.any()),
            second.eq(taken[1] & (~taken[0] | (found[1].word < found[0].word))),
            self.word.eq(Mux(second, found[1].word, found[0].word)),
            self.target.eq(Mux(second, found[1].target, found[0].target)),
        ]

        counter, target = Signal(2), Signal(WORD_ADDRESS_BITS)
        m.d.comb += [
            counter.eq(Mux(known[1], trained[1].counter, trained[0].counter)),
            target.eq(Mux(known[1], trained[1].target, trained[0].target)),
            written.tag.eq(self.update.pc[tag_at:]),
            written.word.eq(self.update.pc[:word_bits]),
            written.target.eq(Mux(self.update.taken, self.update.target, target)),
        ]
        with m.If(~self.update.conditional):
            m.d.comb += written.counter.eq(3)
        with m.Elif(~known.any()):
            m.d.comb += written.counter.eq(2)
        with m.Elif(self.update.taken):
            m.d.comb += written.counter.eq(counter + (counter != 3))
        with m.Else():
            m.d.comb += written.counter.eq(counter - (counter != 0))
        with m.If(self.update.valid):
            with m.If(known.any()):
                m.d.comb += writes.eq(known)
            with m.Elif(self.update.taken):
                this_turn = turn.bit_select(update_set, 1)
                m.d.comb += writes.eq(Mux(used.all(), Cat(~this_turn, this_turn), Cat(~used[0], used[0])))
                with m.If(used.all()):
                    m.d.sync += this_turn.eq(~this_turn)
        with m.If(self.flush):
            m.d.sync += turn.eq(0)
        return m
