# SPDX-License-Identifier: Apache-2.0
"""The front end: from SRAM to the instructions that threads may issue next."""

from amaranth.hdl import C, Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS
from rtl.frontend.decode import DecodeStage
from rtl.frontend.entry import BranchUpdate, FrontEndLayout, QueueEntry
from rtl.frontend.fetch import FetchUnit
from rtl.frontend.icache import InstructionCache
from rtl.frontend.predictor import BranchPredictor
from rtl.frontend.queue import InstructionQueue
from rtl.interfaces import ReadPort

__all__ = ["FrontEnd"]


class FrontEnd(wiring.Component):
    """Fetches, predicts and decodes the instructions of all threads.

    | stage | in that cycle |
    |---|---|
    | F | a thread is chosen; its window of code is looked up, with the branch predicted in it, and enters the thread's buffer |
    | D | up to ``decode_width`` words of at most two threads are decoded, and enter their queues |
    | heads | the oldest instructions of each queue can be issued |

    After a redirection in cycle t, F is in t + 1, D in t + 2, heads show in t + 3, if the line is in the cache and no other
    thread goes before. A line that is not takes three cycles more, if SRAM grants at once. A correction by decoders in cycle t is
    followed by F in t + 1 as well.

    All threads together get one window per cycle. Where ``issue_width`` is at most half of ``decode_width`` and of a window, one
    thread gets ``issue_width`` instructions per cycle in a loop whose branches are predicted, unless its turn touches more
    windows (those with more words than ``decode_width`` counted as several) than it takes cycles to issue.

    Heads of a thread follow each other as the program does, as far as predictions are right: behind a head that is ``predicted``
    comes the one at ``follows``, behind any other the next in memory. Who issues a branch or jump that goes elsewhere redirects.
    Those without a prediction are taken to go on behind themselves; a ``jal``, or a branch that compares a register with itself,
    always comes with what it does, unless its target is misaligned or outside of the node's window.

    A thread that does not run fetches and decodes nothing, unless it is injected; what it has stays.

    Parameters
    ----------
    config : NodeConfig
    observe : bool
        Have the member ``observed``.

    Members
    -------
    port : Out(ReadPort), ``req`` and ``address`` from flip-flops
    flush : In(1)
        Cache and predictor forget everything. Words already fetched are dropped by redirections only.
    update : In(BranchUpdate)
        How a branch or jump went, whether it was ``predicted`` or not: what decoders correct is not learnt otherwise.
    busy : Out(1)
        A line is under way, or something changes in the next cycle though no thread runs and no input is set.
    threads : array of

        run : In(1)
        inject : In(1), word : In(32)
            A word is injected: it comes to the heads as if it were the one at ``next_pc``, where the thread goes on afterwards.
            The thread does not run, and nothing of it has been left here by the last redirection.
        injecting : In(1)
            Decode, though the thread does not run: from the cycle behind ``inject`` on, until the word has been taken.
        redirect : In(1), target : In(64)
            Drop everything fetched and decoded, and continue at the target, a multiple of 4.
        heads : Out(issue_width x QueueEntry), valid : Out(issue_width)
            The oldest instructions, the oldest lowest; where a bit of ``valid`` is set, those below are.
        take : In(range(issue_width + 1))
            So many heads leave, no more than are valid; ignored in the cycle of a redirection.
        next_pc : Out(64)
            Address of the next instruction to issue.
        upper : Out(64 - OFFSET_BITS)
            Upper bits of the addresses of all heads.

    observed : Out(FrontEndLayout), if observed
        What of this cycle lasts: nothing enters a thread that is redirected.
    """

    def __init__(self, config: NodeConfig, observe: bool = False):
        self.config = config
        self._observe = observe
        thread = wiring.Signature(
            {
                "run": In(1),
                "inject": In(1),
                "word": In(32),
                "injecting": In(1),
                "redirect": In(1),
                "target": In(64),
                "heads": Out(QueueEntry()).array(config.issue_width),
                "valid": Out(config.issue_width),
                "take": In(range(config.issue_width + 1)),
                "next_pc": Out(64),
                "upper": Out(64 - OFFSET_BITS),
            }
        )
        super().__init__(
            {
                "port": Out(ReadPort(config)),
                "flush": In(1),
                "update": In(BranchUpdate()),
                "busy": Out(1),
                "threads": Out(thread).array(config.threads),
                **({"observed": Out(FrontEndLayout(config))} if observe else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.cache = cache = InstructionCache(self.config)
        m.submodules.predictor = predictor = BranchPredictor(self.config)
        m.submodules.fetch = fetch = FetchUnit(self.config, self._observe)
        m.submodules.decode = decode = DecodeStage(self.config)
        wiring.connect(m, cache.port, wiring.flipped(self.port))
        m.d.comb += [
            cache.flush.eq(self.flush),
            cache.lookup.eq(fetch.lookup),
            cache.address.eq(fetch.address),
            predictor.flush.eq(self.flush),
            predictor.address.eq(fetch.address),
            predictor.update.eq(self.update),
            fetch.hit.eq(cache.hit),
            fetch.words.eq(cache.words),
            fetch.waits.eq(cache.waits),
            fetch.first.eq(cache.first),
            fetch.taken.eq(predictor.taken),
            fetch.word.eq(predictor.word),
            fetch.target.eq(predictor.target),
            self.busy.eq(cache.busy),
        ]
        for i, thread in enumerate(self.threads):
            m.submodules[f"queue{i}"] = queue = InstructionQueue(self.config)
            fetched, decoded = fetch.threads[i], decode.threads[i]
            m.d.comb += [
                cache.run[i].eq(thread.run),
                cache.drop[i].eq(thread.redirect | decoded.correct),
                fetched.run.eq(thread.run),
                fetched.redirect.eq(thread.redirect),
                fetched.redirect_target.eq(thread.target),
                fetched.inject.eq(thread.inject),
                fetched.word.eq(thread.word),
                # Whatever is injected, the thread goes on where it was, unless that redirects it.
                fetched.correct.eq(decoded.correct & thread.run),
                fetched.correct_target.eq(decoded.target),
                fetched.lane_a.eq(decoded.lane_a),
                fetched.lane_b.eq(decoded.lane_b),
                decoded.ready.eq((thread.run | thread.injecting) & fetched.valid),
                decoded.window.eq(fetched.window),
                decoded.room.eq(queue.room),
                decoded.has_room.eq(queue.has_room),
                decoded.may_have_room.eq(queue.may_have_room),
                queue.enter_a.eq(decoded.lane_a),
                queue.group_a.eq(decode.group_a),
                queue.enter_b.eq(decoded.lane_b),
                queue.group_b.eq(decode.group_b),
                queue.take.eq(thread.take),
                queue.drop.eq(thread.redirect),
                *(shown.eq(head) for shown, head in zip(thread.heads, queue.heads, strict=True)),
                thread.valid.eq(queue.valid),
                thread.upper.eq(fetched.upper),
                thread.next_pc.eq(Cat(C(0, 2), fetched.fetch_pc, fetched.upper)),
            ]
            with m.If(fetched.valid):
                m.d.comb += thread.next_pc.eq(Cat(C(0, 2), fetched.window.pc, fetched.upper))
            with m.If(queue.valid[0]):
                m.d.comb += thread.next_pc.eq(Cat(C(0, 2), queue.heads[0].pc, fetched.upper))
        if self._observe:
            self._show(m, fetch, decode)
        return m

    def _show(self, m, fetch, decode):
        shown, window = self.observed, fetch.entering
        m.d.comb += shown.words.eq(window.words)
        for i, (thread, fetched, decoded) in enumerate(zip(self.threads, fetch.threads, decode.threads, strict=True)):
            with m.If(fetch.enters[i]):
                m.d.comb += [
                    shown.count.eq(window.count),
                    shown.thread.eq(i),
                    shown.pc.eq(Cat(C(0, 2), window.pc, fetched.upper)),
                ]
            with m.If(thread.inject):
                m.d.comb += shown.injected_word.eq(thread.word)
            with m.If(~thread.redirect):
                m.d.comb += [
                    shown.injected[i].eq(thread.inject),
                    shown.decoded[i].eq(
                        Mux(decoded.lane_a, decode.group_a.count, 0) + Mux(decoded.lane_b, decode.group_b.count, 0)
                    ),
                    shown.correct[i].eq(fetched.correct),
                ]
