# SPDX-License-Identifier: Apache-2.0
"""The campaign of binary32 operations: it passes, it is reproducible, and it reports what is wrong."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from verif.campaigns import fp32
from verif.golden import fp32_model, fp32_oracle


def test_every_operation_agrees_and_all_operands_are_counted() -> None:
    counted: Counter[str] = Counter()
    assert fp32.run(3000, 1, lambda operation, count: counted.update({operation: count}), processes=2) == []
    assert counted == dict.fromkeys(fp32_oracle.OPERATIONS, 3000)


def test_operands_do_not_depend_on_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str | bytes, ...]] = []
    monkeypatch.setattr(fp32, "CHUNK", 400)

    def note(operation: str, *operands: fp32_model.Codes) -> list[fp32.Mismatch]:
        seen.append((operation, *map(bytes, operands)))
        return []

    monkeypatch.setattr(fp32, "compare", note)
    for _ in range(2):
        fp32.run(1000, 7, operations=("mul", "madd"), processes=1)
    assert len(seen) == 12
    assert seen[:6] == seen[6:]
    assert len(set(seen)) == 6


def test_mistakes_are_reported_with_their_operands(monkeypatch: pytest.MonkeyPatch) -> None:
    right = fp32_model.MODEL["mul"]

    def wrong(*operands: fp32_model.Codes) -> tuple[fp32_model.Codes, fp32_model.Flags]:
        codes, flags = right(*operands)
        return codes, flags & ~np.uint8(fp32_oracle.UNDERFLOW)

    monkeypatch.setitem(fp32_model.MODEL, "mul", wrong)
    mismatches = fp32.run(1000, 1, operations=("mul",), processes=1)
    assert 0 < len(mismatches) <= fp32.KEPT
    for mismatch in mismatches:
        assert fp32_oracle.compute("mul", mismatch.operands) == mismatch.wanted
        assert mismatch.wanted == (mismatch.seen[0], mismatch.seen[1] | fp32_oracle.UNDERFLOW)
        assert f"mul({mismatch.operands[0]:#010x}, " in str(mismatch)


def test_unknown_operations_are_refused() -> None:
    with pytest.raises(KeyError):
        fp32.run(10, 1, operations=("sqrt",))


def test_numpy_is_asked_beside_the_oracles_that_have_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp32, "by_numpy", lambda operation, *operands: np.array([0x4040_0001], np.uint32))
    mismatch = fp32.compare("add", *(np.array([code], np.uint32) for code in (0x3F80_0000, 0x4000_0000)))[0]
    assert (mismatch.seen, mismatch.wanted) == ((0x4040_0000, 0), (0x4040_0001, 0))
