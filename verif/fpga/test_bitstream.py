# SPDX-License-Identifier: Apache-2.0
"""The real tools, on designs that they have done with in seconds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: A board of each family, and a design that uses its memory as well where that takes no longer.
CASES = [("ulx3s-85f", "blinky"), ("icebreaker", "hello"), ("tang-nano-20k", "blinky")]

#: A bitstream of ECP5 begins with a comment, which ends here.
PREAMBLE = {"ulx3s-85f": b"\xff\xff\xbd\xb3", "icebreaker": b"\x7e\xaa\x99\x7e", "tang-nano-20k": b"1010010111000011"}


def build(cache: Path, hash_seed: int, *arguments: str) -> dict[str, object]:
    """Run ``d1 fpga build`` with a cache of its own, and in another order of sets."""
    environment = {**os.environ, "D1_CACHE": str(cache), "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-m", "scripts.d1.main", "fpga", "build", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("board, design", CASES, ids=[board for board, _ in CASES])
def test_a_design_becomes_a_bitstream_and_the_same_one_in_a_fresh_cache(board: str, design: str, tmp_path: Path) -> None:
    reports = [build(tmp_path / f"cache{run}" / ("deep" * run), run, board, "--design", design) for run in (1, 2)]
    bitstreams = [Path(str(report["bitstream"])).read_bytes() for report in reports]
    assert PREAMBLE[board] in bitstreams[0][:1000]
    assert hashlib.sha256(bitstreams[0]).hexdigest() == hashlib.sha256(bitstreams[1]).hexdigest()
    assert str(tmp_path).encode() not in bitstreams[0]
    report = reports[0]
    assert report["meets_timing"] is True
    assert report["cached"] is False
    resources = report["resources"]
    assert isinstance(resources, dict)
    assert all(resources[name]["available"] for name in ("LUT4", "FF", "DSP", "BRAM"))
    assert 20 < resources["FF"]["used"] < 200
    assert resources["BRAM"]["used"] == (1 if design == "hello" else 0)
    # Yosys runs the same on every machine, so the key of what it made does too.
    assert Path(str(reports[0]["bitstream"])).parent.name == Path(str(reports[1]["bitstream"])).parent.name
