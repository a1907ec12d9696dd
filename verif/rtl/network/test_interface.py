# SPDX-License-Identifier: Apache-2.0
"""The network interface: effects and answers of requests equal a model, at full rate, and responses always drain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
import pytest
from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from cocotb.triggers import FallingEdge, ReadOnly
from hypothesis import strategies as st

from golden.config import CONTROL_PAGE_BYTES, CONTROL_PAGE_OFFSET, WINDOW_BYTES, NodeConfig
from golden.layout import GlobalAddress, Kind, NetworkError, Port
from rtl.interfaces import CoreNetworkPort, flit_stream
from rtl.memory.sram import Sram
from rtl.network import interface as interface_module
from rtl.network.interface import NetworkInterface
from rtl.network.router import eject_stream
from rtl.network.server import RequestServer, server_members
from verif.bench import bench_parameters, bench_rng, check_property, run_bench, start
from verif.rtl.network.flits import CONFIGS, NARROW_CONFIGS, pack, unpack

X, Y = 0x1555, 0x0AAA
#: Of a sequential core there is room for one request.
SEQUENTIAL_CONFIGS = {
    f"{name}_sequential": config.replace(core="sequential", threads=1) for name, config in NARROW_CONFIGS.items()
}
INTERFACE_CONFIGS = CONFIGS | NARROW_CONFIGS | SEQUENTIAL_CONFIGS
HOST = {"src_x": 3, "src_y": 4, "src_exit": int(Port.WEST)}


class Surroundings(wiring.Component):
    """The network interface with SRAM, whose ports can be stalled, and with 512 plain registers for a control page.

    Where links are narrow the page can be stalled as well, and shows nonsense as long as it is.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "eject_request": In(eject_stream(config)),
                "eject_response": In(eject_stream(config)),
                "inject_request": Out(flit_stream(config)),
                "inject_response": Out(flit_stream(config)),
                "core": In(CoreNetworkPort(config)),
                "stall_read": In(1),
                "stall_write": In(1),
                "stall_page": In(1),
                "written": Out(1),
                "control_register": Out(9),
                "control_write": Out(1),
                "control_data": Out(64),
                "sent": Out(1),
                "received": Out(1),
                "dropped": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.interface = interface = NetworkInterface(self.config)
        m.submodules.sram = sram = Sram(self.config, reference=True)
        m.submodules.page = page = Memory(shape=unsigned(64), depth=512, init=[])
        for name in ("eject_request", "eject_response", "core"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(interface, name))
        for name in ("inject_request", "inject_response"):
            wiring.connect(m, getattr(interface, name), wiring.flipped(getattr(self, name)))
        for port, array, stall in (
            (interface.read, sram.network_read, self.stall_read),
            (interface.write, sram.network_write, self.stall_write),
        ):
            m.d.comb += [array.req.eq(port.req & ~stall), port.grant.eq(array.grant), array.address.eq(port.address)]
        m.d.comb += [
            interface.x.eq(X),
            interface.y.eq(Y),
            interface.read.data.eq(sram.network_read.data),
            sram.network_write.mask.eq(interface.write.mask),
            sram.network_write.data.eq(interface.write.data),
            self.written.eq(sram.network_write.grant),
        ]
        read, write = page.read_port(domain="comb"), page.write_port()
        ready, taken = Signal(), Signal()
        m.d.comb += [
            ready.eq(~self.stall_page | (self.config.link_passes == 1)),
            interface.control.ready.eq(ready & interface.control.access),
            taken.eq(interface.control.access & interface.control.write & ready),
            read.addr.eq(interface.control.register),
            interface.control.read_data.eq(Mux(ready, read.data, ~read.data)),
            write.addr.eq(interface.control.register),
            write.data.eq(interface.control.write_data),
            write.en.eq(taken),
            self.control_register.eq(interface.control.register),
            self.control_write.eq(taken),
            self.control_data.eq(interface.control.write_data),
        ]
        for name in ("sent", "received", "dropped", "busy"):
            m.d.comb += getattr(self, name).eq(getattr(interface, name))
        return m


@pytest.mark.parametrize("name", CONFIGS)
def test_interface(name: str) -> None:
    run_bench(Surroundings(CONFIGS[name]), parameters={"config": name})


#: The properties that do not count cycles.
PROPERTIES = (
    "requests_do_and_answer_what_the_model_says",
    "a_post_comes_after_its_data_is_written",
    "a_register_is_never_written_in_the_cycle_of_a_post",
    "the_core_sends_what_it_asked_for",
    "responses_reach_the_core_and_drain",
    "responses_drain_while_requests_are_stuck",
)


@pytest.mark.parametrize("name", [*NARROW_CONFIGS, *SEQUENTIAL_CONFIGS])
def test_interface_behind_narrow_links(name: str) -> None:
    run_bench(Surroundings(INTERFACE_CONFIGS[name]), tests=PROPERTIES, parameters={"config": name})


class EarlyPosts(wiring.Component):
    """A server of requests that posts when a WRITE is offered to SRAM, whenever that takes it: a planted mistake."""

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(server_members(config))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.server = server = RequestServer(self.config)
        for name, member in self.signature.members.items():
            if member.is_signature:
                wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(server, name))
        m.d.comb += [server.x.eq(self.x), server.y.eq(self.y)]
        m.d.comb += [getattr(self, name).eq(getattr(server, name)) for name in ("received", "dropped", "busy")]
        flit, posted = self.requests.payload.flit, Signal()
        early = Signal()
        m.d.comb += early.eq(server.write.req & flit.post & ~posted)
        m.d.sync += [
            posted.eq((posted | early) & ~self.requests.ready),
            self.post_valid.eq(early),
            self.post_sem.eq(flit.sem),
        ]
        return m


def test_a_post_before_its_data_is_written_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface_module, "RequestServer", EarlyPosts)
    name = next(iter(CONFIGS))
    with pytest.raises(pytest.fail.Exception, match="post before the end of the cycle of its write"):
        run_bench(Surroundings(CONFIGS[name]), tests=("a_post_comes_after_its_data_is_written",), parameters={"config": name})


def config_under_test() -> NodeConfig:
    return INTERFACE_CONFIGS[bench_parameters()["config"]]


# ---------------------------------------------------------------------------------------------------------------------
# Model and driver
# ---------------------------------------------------------------------------------------------------------------------


class Model:
    """What the requests that arrive at a node do, one after the other."""

    def __init__(self, config: NodeConfig):
        self.config = config
        self.sram: dict[int, bytes] = {}
        self.registers: dict[int, int] = {}
        self.responses: list[dict[str, int]] = []
        self.posts: list[int] = []
        self.control_writes: list[tuple[int, int]] = []
        self.received = 0
        self.dropped = 0

    def _line(self, offset: int) -> int:
        return offset // self.config.line_bytes

    def _answer(self, request: dict[str, int], kind: Kind, **more: int) -> None:
        own = {"src_x": X, "src_y": Y, "src_exit": int(Port.LOCAL)}
        back = {"x": request["src_x"], "y": request["src_y"], "exit": request["src_exit"]}
        # Of a WRITE that a node refuses, a rectangle means nothing: the node is named.
        refused = request["kind"] == Kind.WRITE and more.get("sem") == NetworkError.BAD_OFFSET
        upper = 0 if refused else request.get("upper", 0)
        common = {"kind": int(kind), "offset": request["offset"], "upper": upper, "tag": request["tag"]}
        self.responses.append(unpack(self.config, pack(self.config, own | back | common | more)))

    def request(self, flit: dict[str, int], undeliverable: bool) -> None:
        config = self.config
        if flit["kind"] not in (Kind.WRITE, Kind.READ):
            self.dropped += 1
            return
        if undeliverable:
            failed = {"src_x": flit["x"], "src_y": flit["y"], "src_exit": flit["exit"]}
            self._answer(flit, Kind.ERROR, sem=NetworkError.UNREACHABLE, **failed)
            return
        self.received += 1
        write = flit["kind"] == Kind.WRITE
        in_control = flit["offset"] >= CONTROL_PAGE_OFFSET
        if not (in_control or flit["offset"] < config.sram_bytes) or (
            flit["post"] and flit["sem"] >= config.semaphores if write else flit.get("upper", 0)
        ):
            self._answer(flit, Kind.ERROR, sem=NetworkError.BAD_OFFSET)
            return
        width, line = config.line_bytes, self._line(flit["offset"])
        first = (flit["offset"] - CONTROL_PAGE_OFFSET) // width * (width // 8)
        if write:
            data = flit["data"].to_bytes(width, "little")
            if in_control:
                for i in range(width // 8):
                    if flit["mask"] >> 8 * i & 0xFF == 0xFF:
                        self.registers[first + i] = int.from_bytes(data[8 * i : 8 * i + 8], "little")
                        self.control_writes.append((first + i, self.registers[first + i]))
            else:
                old = self.sram.get(line, bytes(width))
                self.sram[line] = bytes(data[i] if flit["mask"] >> i & 1 else old[i] for i in range(width))
            if flit["post"]:
                self.posts.append(flit["sem"])
        elif in_control:
            values = (self.registers.get(first + i, 0) for i in range(width // 8))
            self._answer(flit, Kind.READ_DATA, data=sum(value << 64 * i for i, value in enumerate(values)))
        else:
            self._answer(flit, Kind.READ_DATA, data=int.from_bytes(self.sram.get(line, bytes(width)), "little"))


class Driver:
    """Plays packets and core requests and records everything that comes out, cycle by cycle.

    ``stalls`` is a repeating sequence of 7-bit numbers, a bit for each thing that stalls in a cycle: SRAM reads, SRAM writes,
    request injection, response injection, the core's read responses, arrival of packets, the control page.
    """

    def __init__(self, dut: Any, stalls: Sequence[int] = (0,)):
        self.dut = dut
        self.config = config_under_test()
        self.stalls = stalls or (0,)
        self.cycle = 0
        self.requests: list[tuple[dict[str, int], bool]] = []
        self.responses: list[tuple[dict[str, int], bool]] = []
        self.core_requests: list[dict[str, int]] = []
        self.out_responses: list[tuple[int, dict[str, int]]] = []
        self.out_requests: list[tuple[int, dict[str, int]]] = []
        self.taken: list[int] = []
        self.posts: list[int] = []
        self.control_writes: list[tuple[int, int]] = []
        self.core_data: list[tuple[int, int]] = []
        self.core_errors: list[tuple[int, int]] = []
        self.counts = {"sent": 0, "received": 0, "dropped": 0}
        self.writes = 0
        self.writes_at_post: list[int] = []
        self.room = 1
        self.held: dict[str, int] = {}

    async def reset(self) -> None:
        dut = self.dut
        dut.rst.value = 1
        for name in ("eject_request__valid", "eject_response__valid", "core__tx_valid"):
            getattr(dut, name).value = 0
        for name in ("stall_read", "stall_write", "stall_page"):
            getattr(dut, name).value = 0
        for name in ("inject_request__ready", "inject_response__ready", "core__rx_ready"):
            getattr(dut, name).value = 0
        await FallingEdge(dut.clk)
        dut.rst.value = 0

    def _payload(self, item: tuple[dict[str, int], bool]) -> int:
        fields, undeliverable = item
        flit = pack(self.config, fields)
        return flit | int(undeliverable) << len(self.dut.eject_request__payload) - 1

    async def step(self) -> None:
        dut = self.dut
        stall = self.stalls[self.cycle % len(self.stalls)]
        dut.stall_read.value, dut.stall_write.value, dut.stall_page.value = stall & 1, stall >> 1 & 1, stall >> 6
        ready = {"inject_request": ~stall >> 2 & 1, "inject_response": ~stall >> 3 & 1}
        for name, value in ready.items():
            getattr(dut, f"{name}__ready").value = value
        dut.core__rx_ready.value = ~stall >> 4 & 1
        arrives = ~stall >> 5 & 1
        for name, queue in (("eject_request", self.requests), ("eject_response", self.responses)):
            # An offered packet stays.
            valid = bool(queue) and bool(arrives or self.held.get(name))
            getattr(dut, f"{name}__valid").value = int(valid)
            if valid:
                getattr(dut, f"{name}__payload").value = self._payload(queue[0])
            self.held[name] = int(valid)
        # A sequential core enters a request while it sees room, a pipelined one in the cycle after.
        room = int(dut.core__tx_room.value) if self.config.core == "sequential" else self.room
        enters = bool(self.core_requests) and bool(room)
        dut.core__tx_valid.value = int(enters)
        if enters:
            for name, value in self.core_requests.pop(0).items():
                getattr(dut, f"core__tx_{name}").value = int(value)

        await ReadOnly()
        for name, queue in (("eject_request", self.requests), ("eject_response", self.responses)):
            if self.held[name] and int(getattr(dut, f"{name}__ready").value):
                queue.pop(0)
                self.held[name] = 0
                if name == "eject_request":
                    self.taken.append(self.cycle)
        for name, record in (("inject_request", self.out_requests), ("inject_response", self.out_responses)):
            if int(getattr(dut, f"{name}__valid").value):
                value = int(getattr(dut, f"{name}__payload").value)
                assert self.held.get(name, value) == value, f"{name} changed while it waited"
                self.held[name] = value
                if ready[name]:
                    record.append((self.cycle, unpack(self.config, value)))
                    del self.held[name]
            else:
                assert name not in self.held, f"{name} withdrew"
        if int(dut.core__post_valid.value):
            assert not int(dut.control_write.value), "a register is written in the cycle of a post"
            assert int(dut.core__post_amount.value) == 1
            self.posts.append(int(dut.core__post_sem.value))
            self.writes_at_post.append(self.writes)
        self.writes += int(dut.written.value)
        if int(dut.control_write.value):
            self.control_writes.append((int(dut.control_register.value), int(dut.control_data.value)))
        if int(dut.core__rx_valid.value) and not stall >> 4 & 1:
            self.core_data.append((int(dut.core__rx_tag.value), int(dut.core__rx_data.value)))
        if int(dut.core__error_valid.value):
            self.core_errors.append((int(dut.core__error_tag.value), int(dut.core__error_address.value)))
        for name in self.counts:
            self.counts[name] += int(getattr(dut, name).value)
        self.room = int(dut.core__tx_room.value)
        self.busy = int(dut.busy.value)
        await FallingEdge(dut.clk)
        self.cycle += 1

    async def run(self, limit: int) -> None:
        """Step until all was taken and nothing is busy."""
        self.busy = 1
        while self.requests or self.responses or self.core_requests or self.busy:
            assert self.cycle < limit, "the interface does not come to rest"
            await self.step()


async def clear(dut: Any) -> None:
    """Bring SRAM and registers, which no reset clears, to zero."""
    driver = Driver(dut)
    width = driver.config.line_bytes
    await driver.reset()
    for base, size in ((0, driver.config.sram_bytes), (CONTROL_PAGE_OFFSET, CONTROL_PAGE_BYTES)):
        for offset in range(base, base + size, width):
            driver.requests.append(({"kind": Kind.WRITE, "offset": offset, "mask": (1 << width) - 1}, False))
    await driver.run(4000)


def requests_of(config: NodeConfig) -> st.SearchStrategy[tuple[dict[str, int], bool]]:
    """Requests for few lines and registers, some of them wrong, with few undeliverable."""
    width = config.line_bytes
    control = CONTROL_PAGE_OFFSET
    edges = [config.sram_bytes, control - 1, WINDOW_BYTES - 1, WINDOW_BYTES - 8]
    offset = st.sampled_from((0, 1, width, config.sram_bytes - 1, control, control + 8, control + 0x208, *edges))
    full = (1 << width) - 1
    fields = st.fixed_dictionaries(
        {
            "kind": st.sampled_from((Kind.WRITE, Kind.READ, Kind.WRITE, Kind.READ, Kind.READ_DATA, Kind.ERROR, 7)),
            "x": st.sampled_from((X, X, X - 1)),
            "y": st.sampled_from((Y, Y, Y - 1)),
            "exit": st.sampled_from((0, 0, 3, 7)),
            "upper": st.sampled_from((0, 0, 0, 1, 1 << 13)),
            "offset": offset,
            "tag": st.integers(0, 1023),
            "post": st.integers(0, 1),
            "sem": st.sampled_from((0, 1, config.semaphores - 1, config.semaphores % 32, 31)),
            "mask": st.sampled_from((full, full, 0xFF, 0xFF00, 0x7F, 0, 1)),
            "data": st.integers(0, (1 << 8 * width) - 1),
        }
    )
    return st.tuples(fields.map(lambda f: {k: int(v) for k, v in f.items()} | HOST), st.sampled_from((False,) * 7 + (True,)))


def stalls_of() -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from((0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 127, 95)), max_size=8).map(lambda s: [*s, 0])


# ---------------------------------------------------------------------------------------------------------------------
# Properties
# ---------------------------------------------------------------------------------------------------------------------


@cocotb.test()
async def requests_do_and_answer_what_the_model_says(dut: Any) -> None:
    await start(dut)
    config = config_under_test()

    async def check(requests: list[tuple[dict[str, int], bool]], stalls: list[int]) -> None:
        driver, model = Driver(dut, stalls), Model(config)
        await clear(dut)
        await driver.reset()
        # Every line that was touched is read back in the end.
        touched = sorted({fields["offset"] for fields, _ in requests})
        readback = [({"kind": int(Kind.READ), "offset": offset, "x": X, "y": Y, **HOST}, False) for offset in touched]
        for fields, undeliverable in [*requests, *readback]:
            model.request(unpack(config, pack(config, fields)), undeliverable)
        driver.requests = [*requests, *readback]
        await driver.run(100 + 200 * len(driver.requests))
        assert [fields for _, fields in driver.out_responses] == model.responses
        assert driver.posts == model.posts
        assert driver.control_writes == model.control_writes
        assert (driver.counts["received"], driver.counts["dropped"]) == (model.received, model.dropped)

    await check_property(check, max_examples=40, requests=st.lists(requests_of(config), max_size=25), stalls=stalls_of())


@cocotb.test()
async def writes_and_reads_of_sram_run_at_one_per_cycle(dut: Any) -> None:
    await start(dut)
    config, count = config_under_test(), 24
    rng = bench_rng(3)
    data = [int.from_bytes(rng.bytes(config.line_bytes), "little") for _ in range(count)]
    driver = Driver(dut)
    await driver.reset()
    full = (1 << config.line_bytes) - 1
    for kind in (Kind.WRITE, Kind.READ):
        driver.requests += [
            ({"kind": int(kind), "offset": i * config.line_bytes, "mask": full, "data": data[i], **HOST}, False)
            for i in range(count)
        ]
    await driver.run(200)
    assert driver.taken == list(range(2 * count))
    cycles = [cycle for cycle, _ in driver.out_responses]
    # Granted in t, offered in t + 2.
    assert cycles == list(range(count + 2, 2 * count + 2))
    assert [fields["data"] for _, fields in driver.out_responses] == data


@cocotb.test()
async def a_post_comes_after_its_data_is_written(dut: Any) -> None:
    await start(dut)
    config, count = config_under_test(), 12
    for stalls in ([0], [2, 0], [2, 2, 0, 2, 0, 0]):
        driver = Driver(dut, stalls)
        await driver.reset()
        driver.requests = [({"kind": int(Kind.WRITE), "offset": 0, "post": 1, "sem": 2, "mask": 1, **HOST}, False)] * count
        await driver.run(200)
        assert driver.posts == [2] * count
        assert driver.writes_at_post == list(range(1, count + 1)), "post before the end of the cycle of its write"
    assert config.semaphores > 2


@cocotb.test()
async def a_register_is_never_written_in_the_cycle_of_a_post(dut: Any) -> None:
    """A semaphore takes one change per cycle, so a write of its register waits for a post of the cycle before."""
    await start(dut)
    driver = Driver(dut)
    await driver.reset()
    full = (1 << driver.config.line_bytes) - 1
    post = {"kind": int(Kind.WRITE), "offset": 0, "post": 1, "sem": 1, "mask": 1, **HOST}
    add = {"kind": int(Kind.WRITE), "offset": CONTROL_PAGE_OFFSET + 0x200, "mask": full, "data": full, **HOST}
    driver.requests = [(fields, False) for fields in (post, add, post, post, add | {"post": 1}, add)]
    await driver.run(200)
    assert len(driver.posts) == 4
    assert len(driver.control_writes) == 3 * driver.config.line_bytes // 8


@cocotb.test()
async def the_core_sends_what_it_asked_for(dut: Any) -> None:
    await start(dut)
    config = config_under_test()
    rng = bench_rng(4)

    def core_request(i: int) -> dict[str, int]:
        x, y, offset, upper = (int(rng.integers(1 << bits)) for bits in (13, 13, 21, 14))
        address = GlobalAddress(x, y, offset, i % 5, upper)
        return {
            "read": int(rng.integers(2)),
            "address": int(address),
            "mask": int.from_bytes(rng.bytes(config.line_bytes // 8), "little"),
            "data": int.from_bytes(rng.bytes(config.line_bytes), "little"),
            "post": int(rng.integers(2)),
            "sem": int(rng.integers(32)),
            "tag": int(rng.integers(256)),
        }

    for stalls in ([0], [4, 0], [4, 4, 4, 4, 4, 4, 4, 0, 0]):
        driver = Driver(dut, stalls)
        await driver.reset()
        requests = [core_request(i) for i in range(30)]
        driver.core_requests = list(requests)
        await driver.run(600)
        assert driver.counts["sent"] == len(requests)
        for request, (_, seen) in zip(requests, driver.out_requests, strict=True):
            address = GlobalAddress.unpack(request["address"])
            assert seen == {
                "kind": int(Kind.READ if request["read"] else Kind.WRITE),
                **{"x": address.x, "y": address.y, "exit": address.exit, "upper": address.upper, "offset": address.offset},
                **{"src_x": X, "src_y": Y, "src_exit": int(Port.LOCAL)},
                **{name: request[name] for name in ("tag", "post", "sem", "mask", "data")},
            }
        if stalls == [0] and config.link_passes == 1:
            cycles = [cycle for cycle, _ in driver.out_requests]
            assert cycles == list(range(1, len(requests) + 1))


@cocotb.test()
async def responses_reach_the_core_and_drain(dut: Any) -> None:
    await start(dut)
    config = config_under_test()
    rng = bench_rng(5)
    for stalls in ([0], [16, 0], [16, 16, 16, 0, 0]):
        driver = Driver(dut, stalls)
        await driver.reset()
        data, errors, dropped = [], [], 0
        for i in range(40):
            kind, undeliverable = int(rng.choice([Kind.READ_DATA, Kind.ERROR, Kind.READ])), bool(rng.integers(8) == 0)
            fields = {
                "kind": kind,
                # Those that do not belong to threads nobody waits for.
                "tag": int(rng.integers(256)) | int(rng.choice([0, 0, 0, 256, 512, 768])),
                "upper": i * 300,
                "data": int.from_bytes(rng.bytes(config.line_bytes), "little"),
                "offset": int(rng.integers(1 << 21)),
                "src_x": i,
                "src_y": 8191 - i,
                "src_exit": i % 5,
            }
            driver.responses.append((fields, undeliverable))
            if undeliverable or kind == Kind.READ:
                dropped += 1
            elif fields["tag"] >= 256:
                pass
            elif kind == Kind.READ_DATA:
                data.append((fields["tag"], fields["data"]))
            else:
                errors.append((fields["tag"], int(GlobalAddress(i, 8191 - i, fields["offset"], i % 5, i * 300))))
        await driver.run(400)
        assert (driver.core_data, driver.core_errors, driver.counts["dropped"]) == (data, errors, dropped)


@cocotb.test()
async def responses_drain_while_requests_are_stuck(dut: Any) -> None:
    """No response can leave, so READs wait; responses to the core still come through, and in the end everything does."""
    await start(dut)
    driver = Driver(dut, [8])
    await driver.reset()
    driver.requests = [({"kind": int(Kind.READ), "offset": 0, **HOST}, False)] * 12
    driver.responses = [({"kind": int(Kind.READ_DATA), "tag": i}, False) for i in range(12)]
    for _ in range(40):
        await driver.step()
    assert [tag for tag, _ in driver.core_data] == list(range(12))
    assert driver.requests, "requests went where there was no room for their responses"
    assert not driver.out_responses
    driver.stalls = [0]
    await driver.run(200)
    assert len(driver.out_responses) == 12
