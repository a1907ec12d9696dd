# SPDX-License-Identifier: Apache-2.0
"""In dimension order flits turn from rows into columns and never back, wherever nodes lie and wherever flits go."""

from __future__ import annotations

import pytest

from verif.formal.proof import Counterexample, check_bounded, check_reachable
from verif.rtl.network.formal.turns import Turns


def test_flits_turn_from_rows_into_columns_and_never_back() -> None:
    # The rule has no state: what holds in one cycle holds in all.
    check_bounded(Turns(), 1)
    check_reachable(Turns(), "turned", 2)


def test_an_exit_to_another_node_would_be_a_turn_that_is_found() -> None:
    with pytest.raises(Counterexample):
        check_bounded(Turns(edges=False), 1)
