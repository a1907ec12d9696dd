# SPDX-License-Identifier: Apache-2.0
"""The campaign of faults: what it checks, that it is reproducible, and that it finds routes that do not work."""

from __future__ import annotations

from typing import Any

import pytest

from golden.layout import Port
from scripts.d1.main import run
from sw.routing import Routes, boot
from verif.campaigns import faults
from verif.scripts.command import d1


def test_every_single_fault_and_random_ones_are_checked() -> None:
    told: list[tuple[int, ...]] = []
    outcomes = faults.run(3, 20, 1, lambda *count: told.append(count), processes=1)
    assert [sum(outcome.kind == kind for outcome in outcomes) for kind in faults.KINDS] == [9, 12, 20]
    assert not [outcome for outcome in outcomes if outcome.problem]
    assert 0 < sum(outcome.refused for outcome in outcomes) < 20
    assert told == [(n, 41, 0) for n in range(1, 42)]
    assert outcomes == faults.run(3, 20, 1, lambda *count: None, processes=2)
    assert outcomes != faults.run(3, 20, 2, lambda *count: None, processes=1)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_wrong_table_fails_the_campaign(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table_blocks = boot.table_blocks

    def damaged(config: Any, routes: Routes, number: int) -> Any:
        if number == routes.mesh.numbers.get((2, 2)):
            routes.entries[number, 0] = Port.EAST
        return table_blocks(config, routes, number)

    monkeypatch.setattr(boot, "table_blocks", damaged)
    assert run(["campaign", "faults", "--side", "3", "--random", "0", "--processes", "1", *(["--json"] if as_json else [])]) == 1
    shown = capsys.readouterr()
    assert "1 pairs do not communicate" in shown.out
    assert '"dead_nodes"' in shown.out
    assert "FAILED" in shown.err


def test_campaign_reports_detours() -> None:
    outcome = d1("campaign", "faults", "--side", "4", "--random", "10", "--processes", "1", "--json")
    assert outcome.code == 0, outcome
    kinds = outcome.json["kinds"]
    assert [kinds[kind]["arrays"] for kind in faults.KINDS] == [16, 24, 10]
    assert kinds["one dead node"]["worst_detour"] == 4
    assert 1 < kinds["one dead node"]["detours"]["mean"] < kinds["one dead node"]["detours"]["worst"] < 1.2
