# SPDX-License-Identifier: Apache-2.0
"""A registered grant is the port's grant a cycle later, once per access, with its data behind it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from rtl.core.registered_grant import RegisteredGrant
from verif.rtl.simulate import Simulation, property_settings

SIMULATION = Simulation(RegisteredGrant(preset("nano")))

#: Does something want access, if nothing does yet; does SRAM grant; does what wants give up.
CYCLE = st.tuples(st.booleans(), st.booleans(), st.sampled_from((False, False, False, True)))


@property_settings(200)
@given(st.lists(CYCLE, max_size=60))
def test_every_grant_shows_a_cycle_later_unless_nobody_waits_for_it(cycles: list[tuple[bool, bool, bool]]) -> None:
    access = SIMULATION.component

    async def check(context: Any) -> None:
        wants = granted = False
        data = None
        for number, (begins, grants, leaves) in enumerate(cycles):
            wants = wants or begins
            stays = wants and not granted and not leaves
            context.set(access.wants, wants)
            context.set(access.stays, stays)
            assert context.get(access.granted) == granted
            assert context.get(access.req) == (wants and not granted), "one access asks SRAM once"
            grant = grants and wants and not granted
            context.set(access.grant, grant)
            context.set(access.read_data, number + 1)
            if data is not None:
                assert context.get(access.data) == data
            await context.tick()
            # What SRAM read in the cycle behind its grant is there in the one behind the grant that the requester sees.
            data = number + 1 if granted else None
            wants = stays
            granted = grant and stays

    SIMULATION.run(check)
