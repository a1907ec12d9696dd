# SPDX-License-Identifier: Apache-2.0
"""Users of a port take turns, lose no cycle, and get what is theirs; what a stream has offered stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from rtl.network.lists.turns import ReadTurns, StreamTurns, WriteTurns
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("tiny")
USERS = 3

#: Per cycle: who asks, as bits, and whether what all want is there.
cycles = st.lists(st.tuples(st.integers(0, (1 << USERS) - 1), st.booleans()), min_size=1, max_size=40)


def address_of(user: int, asked: int) -> int:
    return 16 * asked % 512 + user


@pytest.mark.parametrize("kind", [ReadTurns, WriteTurns])
def test_users_of_a_port_take_turns(kind: Any) -> None:
    simulation = Simulation(kind(CONFIG, USERS))
    turns = simulation.component

    @property_settings(40)
    @given(cycles)
    def check(steps: list[tuple[int, bool]]) -> None:
        async def run(ctx: Any) -> None:
            asked = [0] * USERS
            waiting = [False] * USERS
            passed = [[0] * USERS for _ in range(USERS)]
            for asks, grant in steps:
                waiting = [waits or bool(asks >> user & 1) for user, waits in enumerate(waiting)]
                for user in range(USERS):
                    ctx.set(turns.users[user].req, waiting[user])
                    ctx.set(turns.users[user].address, address_of(user, asked[user]))
                    if kind is WriteTurns:
                        ctx.set(turns.users[user].mask, 1 << user)
                        ctx.set(turns.users[user].data, user)
                ctx.set(turns.port.grant, grant and any(waiting))
                granted = [user for user in range(USERS) if ctx.get(turns.users[user].grant)]
                assert ctx.get(turns.port.req) == any(waiting)
                assert len(granted) == (grant and any(waiting))
                if any(waiting):
                    shown = ctx.get(turns.port.address)
                    assert shown in [address_of(user, asked[user]) for user in range(USERS) if waiting[user]]
                for user in granted:
                    assert shown == address_of(user, asked[user])
                    if kind is WriteTurns:
                        assert (ctx.get(turns.port.mask), ctx.get(turns.port.data)) == (1 << user, user)
                    asked[user] += 1
                    waiting[user] = False
                    passed[user] = [0] * USERS
                    for other in range(USERS):
                        passed[other][user] += waiting[other]
                        assert passed[other][user] <= 1, "one went twice before another that waited"
                await ctx.tick()

        simulation.run(run)

    check()


def test_what_a_stream_has_offered_stays_until_it_is_taken() -> None:
    simulation = Simulation(StreamTurns(8, USERS))
    turns = simulation.component

    @property_settings(60)
    @given(cycles)
    def check(steps: list[tuple[int, bool]]) -> None:
        async def run(ctx: Any) -> None:
            sent = [0] * USERS
            waiting = [False] * USERS
            passed = [[0] * USERS for _ in range(USERS)]
            offered: int | None = None
            for offers, ready in steps:
                waiting = [waits or bool(offers >> user & 1) for user, waits in enumerate(waiting)]
                for user in range(USERS):
                    ctx.set(turns.sources[user].valid, waiting[user])
                    ctx.set(turns.sources[user].payload, user << 6 | sent[user] % 64)
                ctx.set(turns.o.ready, ready)
                assert ctx.get(turns.o.valid) == any(waiting)
                taken = [user for user in range(USERS) if ctx.get(turns.sources[user].ready) and waiting[user]]
                assert len(taken) == (ready and any(waiting))
                if any(waiting):
                    shown = ctx.get(turns.o.payload)
                    user = shown >> 6
                    assert waiting[user]
                    assert shown & 63 == sent[user] % 64
                    assert ctx.get(turns.chosen) == 1 << user
                    assert offered is None or shown == offered
                    offered = None if ready else shown
                    assert taken in ([], [user])
                for user in taken:
                    sent[user] += 1
                    waiting[user] = False
                    passed[user] = [0] * USERS
                    for other in range(USERS):
                        passed[other][user] += waiting[other]
                        assert passed[other][user] <= 1, "one went twice before another that waited"
                await ctx.tick()

        simulation.run(run)

    check()


def test_a_source_that_withdraws_does_not_hold_up_the_others() -> None:
    simulation = Simulation(StreamTurns(8, 2))
    turns = simulation.component

    async def run(ctx: Any) -> None:
        ctx.set(turns.sources[0].valid, 1)
        await ctx.tick()
        ctx.set(turns.sources[0].valid, 0)
        ctx.set(turns.sources[1].valid, 1)
        ctx.set(turns.o.ready, 1)
        assert ctx.get(turns.sources[1].ready)

    simulation.run(run)
