# SPDX-License-Identifier: Apache-2.0
"""What a run shows of itself, for comparison between one process and several.

As a program, in each of the processes: a pickled SimulatorLibrary, names of topologies with commas between them, threads, a
folder for checkpoints (``<topology>.d1c``), and what to do: ``whole`` writes one each, ``resume`` goes on from them, ``stops`` is
another scenario, which writes one each as well. Rank 0 prints a JSON object, by topology.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from golden.config import preset
from golden.edge_memory import EdgeMemory
from golden.layout import Kind, Port, ThreadRegister, thread_offset
from golden.packet import Packet
from golden.topology import Topology
from scripts.launched import launched_ranks
from scripts.simulator import SimulatedArray, SimulatorLibrary
from scripts.simulator.processes import join
from scripts.simulator.ranked import RankedArray, serve
from verif.scripts.list_traffic import start_lists
from verif.scripts.standin import job

CONFIG = preset("tiny")
START = thread_offset(0, ThreadRegister.PC)

#: By name: a plain one; one cut along rows, with the host in its last strip; faults, memories, long links in and beside cuts;
#: and one for nodes with lists, which are no stand-ins.
TOPOLOGIES = {
    "4x4": Topology(4, 4),
    "lists": Topology(2, 2),
    "rows": Topology(6, 2, host=(1, 5, Port.SOUTH)),
    "dies": Topology(
        4,
        6,
        dead_nodes=frozenset({(5, 1)}),
        die_rows=2,
        die_columns=2,
        die_link_cycles=3,
        memories=(EdgeMemory(4, 3, Port.SOUTH, 4096, 300, 8), EdgeMemory(0, 2, Port.WEST, 4096, 9, 8)),
    ),
}

#: Four dies, with the host in the last.
WINDOWS = {
    f"links of {cycles}": Topology(4, 4, die_rows=2, die_columns=2, die_link_cycles=cycles, host=(3, 2, Port.EAST))
    for cycles in (2, 3, 4, 7, 20)
}
TOPOLOGIES |= WINDOWS


def shows(array: SimulatedArray, checkpoint: Path) -> dict[str, Any]:
    """Lets nodes write to each other over all links, and tells all that can be seen. In one array, a node waits for ever.

    In the middle of it, the array is saved.
    """
    array.record_boundary()
    array.trace(True, True)
    if array.topology == TOPOLOGIES["lists"]:
        start_lists(array)
    else:
        _start_jobs(array)
    array.run(100)
    array.save(checkpoint)
    return {"middle": array.cycle, **rest(array)}


def _start_jobs(array: SimulatedArray) -> None:
    """Let stand-ins write to each other, and the host to memories."""
    rng = random.Random(5)
    sites = [(x, y) for x, y in array.topology.sites() if x < 5]
    busy = rng.sample(sites, 8)
    array.write_many([(x, y, 16, rng.randbytes(48)) for x, y in busy])
    # More senders would leave the host no room.
    for n, (x, y) in enumerate(busy):
        waits = array.topology == TOPOLOGIES["rows"] and n == 7
        work = job(rng.randrange(900, 1300), send_to=rng.choice(sites) if n % 3 == 0 else None, wait=waits)
        array.write(x, y, START, work.to_bytes(8, "little"))
    if array.topology == TOPOLOGIES["dies"]:
        # One of these sites has no node.
        array.multicast(4, 0, 2, 2, 128, rng.randbytes(40))
    for memory in array.topology.memories:
        array.memory(*memory.link).write(64, rng.randbytes(100))
        for n in range(4):
            place: dict[str, Any] = {"x": memory.x, "y": memory.y, "exit": memory.port, "offset": 64 + 16 * n}
            array.send(Packet(kind=Kind.READ, **place, src_exit=array.topology.host_link[2], tag=80 + n))


def rest(array: SimulatedArray) -> dict[str, Any]:
    """The second half, of which records begin with the checkpoint if it is resumed."""
    array.poke(*list(array.topology.sites())[-1], 0, b"poked into it")
    records = [array.boundary_records(), array.retirements(), array.vector_writes()]
    shown: dict[str, Any] = {"first records": [hashlib.sha256(each.tobytes()).hexdigest() for each in records]}
    result = array.run(20_000)
    records = [array.boundary_records(), array.retirements(), array.vector_writes()]
    assert len(records[0])
    assert len(records[1])
    memory = b"".join(array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in array.topology.sites())
    return shown | {
        "reason": result.reason,
        "cycles": [result.cycles, array.cycle],
        "counters": [array.node_cycles, array.hops, array.packets_sent, array.packets_received],
        "evaluations": [array.evaluations(x, y) for x, y in array.topology.sites()],
        "states": [bytes(array.node_state(x, y)).hex() for x, y in array.topology.sites()],
        "memory": hashlib.sha256(memory).hexdigest(),
        "records": [hashlib.sha256(each.tobytes()).hexdigest() for each in records],
        "read": [contents.hex() for contents in array.read_many([(x, y, 16, 32) for x, y in array.topology.sites() if x < 5])],
        "end": array.cycle,
        "inbox": [repr(packet) for packet in array.host_inbox],
        "memories": [_memory_of(array, memory) for memory in array.topology.memories],
    }


def _memory_of(array: SimulatedArray, description: EdgeMemory) -> list[Any]:
    memory = array.memory(*description.link)
    digest = hashlib.sha256(memory.read(0, description.bytes)).hexdigest()
    return [digest, memory.lines_read, memory.lines_written, memory.errors, memory.busy_cycles]


def stops(array: SimulatedArray, checkpoint: Path) -> dict[str, Any]:
    """Lets runs end for every reason that there is, and tells in which cycles they did. The array is saved before the last one,
    whose end takes so many cycles that only long windows are worth it."""
    ends: list[Any] = []

    def run(cycles: int | None = None) -> None:
        result = array.run(cycles)
        ends.append([result.reason, array.cycle, array.node_cycles, array.hops])

    def work(x: int, y: int, what: int) -> None:
        array.write_register(x, y, START, what)
        ends.append(array.cycle)

    array.trace(True, True)
    # At rest, and in the middle of what goes from die to die and back.
    run()
    for x, y in ((3, 3), (0, 0), (1, 1), (2, 1)):
        array.read(x, y, 0, 40)
        ends.append(array.cycle)
    for n, (x, y) in enumerate([(0, 0), (1, 2), (2, 0), (3, 3)]):
        work(x, y, job(60 + 13 * n, send_to=(3 - x, 3 - y)))
    for cycles in (1, 2, 5, 17, 18, 19, 40):
        run(cycles)
    run()
    # Packets of the host that nobody waits for, of which one comes back.
    for kind in (Kind.WRITE, Kind.READ):
        array.send(Packet(kind=kind, x=0, y=1, offset=32, src_x=3, src_y=2, src_exit=Port.EAST, tag=200))
    run()
    ends.append([repr(packet) for packet in array.host_inbox])
    # Dies come to rest one after the other, the last with a thread that waits for ever.
    work(0, 0, job(50))
    work(3, 0, job(80, wait=True))
    work(0, 3, job(20, send_to=(2, 2)))
    run()
    array.read_many([(x, y, 0, 100) for x, y in array.topology.sites()])
    ends.append(array.cycle)
    work(1, 1, job(400, send_to=(2, 2)))
    work(2, 3, job(33, stall=True))
    run(100)
    array.save(checkpoint)
    # One never comes to rest, and nothing moves any more.
    run(None if array.topology.die_link_cycles > 4 else 500)
    records = [array.retirements(), array.vector_writes()]
    memory = b"".join(array.peek(x, y, 0, CONFIG.sram_bytes) for x, y in array.topology.sites())
    return {
        "ends": ends,
        "records": [hashlib.sha256(each.tobytes()).hexdigest() for each in records],
        "memory": hashlib.sha256(memory).hexdigest(),
    }


def in_one_process(
    library: SimulatorLibrary, name: str, checkpoint: Path, scenario: Callable[..., dict[str, Any]] = shows, threads: int = 1
) -> dict[str, Any]:
    """A scenario."""
    with SimulatedArray(CONFIG, library=library, threads=threads, topology=TOPOLOGIES[name]) as array:
        return scenario(array, checkpoint)


def shows_rest(array: SimulatedArray) -> dict[str, Any]:
    """The second half of it, in an array that was loaded."""
    array.record_boundary()
    array.trace(True, True)
    return rest(array)


def main() -> None:
    """What each process does."""
    library_file, names, threads, folder, what = sys.argv[1:]
    processes = join()
    assert processes.size == launched_ranks()
    if processes.rank != 0:
        serve(processes)
        return
    library = pickle.loads(Path(library_file).read_bytes())
    options = {"library": library, "processes": processes, "threads": int(threads)}
    shown = {}
    for name in names.split(","):
        file = Path(folder) / f"{name}.d1c"
        if what == "resume":
            with RankedArray.load(file, **options) as array:
                shown[name] = shows_rest(array)
        else:
            with RankedArray(CONFIG, topology=TOPOLOGIES[name], **options) as array:
                shown[name] = {"whole": shows, "stops": stops}[what](array, file)
    processes.end()
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
