# SPDX-License-Identifier: Apache-2.0
"""The heads of every thread follow the program, whatever SRAM, issue, predictions and other threads do."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.frontend.frontend import FrontEnd
from verif.rtl.frontend.program import flow, line_data, random_word, word_address
from verif.rtl.simulate import Simulation, property_settings


def sized(line_bytes: int, fetch_bytes: int, decode_width: int, issue_width: int, threads: int, **more: int) -> NodeConfig:
    smallest = NodeConfig(sram_blocks=1, sram_ways=1, bank_lines=16, fetch_lines=2, btb_entries=4)
    return smallest.replace(
        line_bytes=line_bytes,
        fetch_bytes=fetch_bytes,
        decode_width=decode_width,
        issue_width=issue_width,
        threads=threads,
        **more,
    )


#: Any two of window, issue width and number of threads meet.
CONFIGS = [
    sized(16, 8, 1, 1, 1),
    sized(16, 8, 2, 2, 2),
    sized(32, 8, 8, 4, 4),
    sized(32, 16, 3, 1, 2, sram_blocks=3),
    sized(16, 16, 2, 2, 4, fetch_lines=4),
    sized(32, 16, 8, 4, 1),
    sized(32, 32, 1, 1, 4),
    sized(64, 32, 3, 2, 1),
    sized(32, 32, 4, 4, 2, btb_entries=8),
    sized(64, 32, 8, 2, 4),
]


@functools.cache
def simulation_of(config: NodeConfig) -> Simulation:
    return Simulation(FrontEnd(config))


def name_of(config: NodeConfig) -> str:
    return f"window{config.window_bytes}-decode{config.decode_width}-issue{config.issue_width}-threads{config.threads}"


class Thread:
    """Issue of one thread: what it has to see at its heads, and what it finds out of branches some cycles later."""

    def __init__(self) -> None:
        self.next_pc = 0
        self.oldest_version = 0
        #: Cycles until the redirection to an address, if one has to come.
        self.redirect: tuple[int, int] | None = None

    def issue(self, config: NodeConfig, head: Any, upper: int, versions: range, outcome: int) -> dict[str, int] | None:
        """Check a head, execute it; how it went, if that is to be predicted."""
        pc = upper << OFFSET_BITS | head.pc << 2
        assert pc == self.next_pc, "a head does not follow the one before"
        inside = SRAM_BASE <= pc < SRAM_BASE + config.sram_bytes
        assert head.fault == (not inside)
        if not inside:
            assert head.insn == 0
            assert head.decoded.illegal
            return None
        assert head.insn in {random_word(config, pc, version) for version in versions}, "no word that memory held since a flush"
        found = flow(pc, head.insn)
        follows = upper << OFFSET_BITS | head.follows << 2
        decoded = head.decoded
        assert [decoded.jal, decoded.jalr, decoded.branch] == [found.kind == kind for kind in ("jal", "jalr", "branch")]
        target, taken = found.target, outcome % 3 != 0 if found.taken is None else found.taken
        if found.kind == "jalr":
            target = SRAM_BASE + 4 * (outcome % 64)
        else:
            assert not head.predicted or (found.direct and found.taken is not False and follows == target)
            assert head.predicted or not (found.direct and found.taken is True), "a certain jump is not followed"
        goes_on = pc + 4 if target is None or not taken else target
        self.next_pc = follows if head.predicted else pc + 4
        if self.redirect is None and goes_on != self.next_pc:
            self.redirect = outcome // 64 % 4, goes_on & ~3
        if target is None or target >> OFFSET_BITS != upper or target % 4:
            return None
        conditional = found.kind == "branch"
        return {"valid": 1, "pc": head.pc, "conditional": conditional, "taken": taken, "target": word_address(target)}


#: Per cycle: does SRAM grant, how many heads are taken and by whom, how branches go, and perhaps something rare for a thread.
CYCLE = st.tuples(
    st.sampled_from((True, True, True, False)),
    st.sampled_from((4, 4, 1, 2, 3, 0)),
    st.sampled_from((15, 15, 15, 1, 6, 12)),
    st.integers(0, 255),
    st.none() | st.tuples(st.sampled_from(("redirect", "flush", "stop", "mislead")), st.integers(0, 3), st.integers(-2, 66)),
)


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
@property_settings(6)
@given(cycles=st.lists(CYCLE, min_size=1, max_size=60), again=st.integers(1, 4))
def test_heads_follow_the_program_and_show_memory(config: NodeConfig, cycles: list[Any], again: int) -> None:
    simulation = simulation_of(config)
    front_end = simulation.component

    async def check(context: Any) -> None:
        version = 0
        threads = [Thread() for _ in range(config.threads)]
        granted = 0
        first = [(True, 4, 15, 0, ("flush", thread, 2 * thread)) for thread in range(config.threads)]
        for grants, most, takers, outcome, event in first + cycles * again:
            # A line is as memory held it in the cycle of its grant.
            context.set(front_end.port.data, granted)
            kind, which, where = event or ("", 0, 0)
            which %= config.threads
            requested, address = context.get(front_end.port.req), context.get(front_end.port.address)
            assert not requested or address < config.sram_lines
            context.set(front_end.port.grant, requested and grants)
            context.set(front_end.flush, kind == "flush")
            update: dict[str, int] | None = None
            redirections: dict[int, int] = {}
            for number, thread in enumerate(threads):
                port = front_end.threads[number]
                runs = not (kind == "stop" and which == number)
                context.set(port.run, runs)
                valid, heads = context.get(port.valid), [context.get(head) for head in port.heads]
                assert valid & valid + 1 == 0
                assert context.get(port.next_pc) == thread.next_pc
                upper = context.get(port.upper)
                count = min(most, valid.bit_count()) if takers >> number & 1 and runs else 0
                context.set(port.take, count)
                if kind in ("redirect", "flush") and which == number:
                    redirections[number] = SRAM_BASE + 4 * where
                elif thread.redirect is not None and not thread.redirect[0]:
                    redirections[number] = thread.redirect[1]
                elif thread.redirect is not None:
                    thread.redirect = thread.redirect[0] - 1, thread.redirect[1]
                if number not in redirections:
                    versions = range(thread.oldest_version, version + 1)
                    for i in range(count):
                        went = thread.issue(config, heads[i], upper, versions, outcome + i)
                        update = went or update
                context.set(port.redirect, number in redirections)
                context.set(port.target, redirections.get(number, 0))
            if kind == "mislead":
                pc = word_address(SRAM_BASE + 4 * where)
                update = {"valid": 1, "pc": pc, "conditional": outcome & 1, "taken": 1, "target": outcome}
            context.set(front_end.update, update or {"valid": 0})
            await context.tick()
            granted = line_data(config, functools.partial(random_word, config), address, version) if requested and grants else 0
            for number, target in redirections.items():
                threads[number].next_pc, threads[number].redirect = target, None
            if kind == "flush":
                # Memory changes with every flush, as if a store had come before.
                version += 1
                threads[which].oldest_version = version

    simulation.run(check)
