# SPDX-License-Identifier: Apache-2.0
"""The byte protocol: what is sent arrives, what is damaged does not."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from fpga.baud import FRACTION_BITS, BitPeriod
from fpga.frames import ESCAPE, FLAG, Frame, FrameDecoder, FrameType, Identity, encode_frame, pack_packet, unpack_packet
from golden.config import ISA_VERSION, PRESETS, NodeConfig
from golden.layout import TAG_BITS, Kind, Port
from golden.packet import Packet
from verif.bench import bench_seed

frames = st.builds(
    Frame,
    type=st.sampled_from(FrameType),
    sequence=st.integers(0, 255),
    acknowledge=st.integers(0, 255),
    payload=st.lists(st.one_of(st.integers(0, 255), st.sampled_from([FLAG, ESCAPE])), max_size=40).map(bytes),
)


@seed(bench_seed())
@settings(deadline=None, database=None)
@given(sent=st.lists(frames, max_size=4), cut=st.integers(1, 9))
def test_frames_arrive_as_they_were_sent_in_pieces_of_any_size(sent: list[Frame], cut: int) -> None:
    line = b"".join(encode_frame(frame) for frame in sent)
    decoder = FrameDecoder()
    arrived = [frame for start in range(0, len(line), cut) for frame in decoder.feed(line[start : start + cut])]
    assert arrived == sent
    assert decoder.damaged == 0


@seed(bench_seed())
@settings(deadline=None, database=None)
@given(frame=frames, data=st.data())
def test_a_damaged_frame_is_dropped_and_the_next_one_arrives(frame: Frame, data: st.DataObject) -> None:
    line = bytearray(encode_frame(frame))
    place = data.draw(st.integers(1, len(line) - 2))
    line[place] ^= 1 << data.draw(st.integers(0, 7))
    follower = Frame(FrameType.BOARD_ACKNOWLEDGE, 1, 2)
    decoder = FrameDecoder()
    assert list(decoder.feed(bytes(line) + encode_frame(follower))) == [follower]
    assert decoder.damaged >= 1


def test_the_encoding_is_that_of_rfc_1662() -> None:
    body = bytes([FrameType.REQUEST, FLAG, ESCAPE, 0x00])
    check = zlib.crc32(body).to_bytes(4, "little")
    assert not set(check) & {FLAG, ESCAPE}
    line = encode_frame(Frame(FrameType.REQUEST, FLAG, ESCAPE, b"\0"))
    assert line == b"\x7e\x02\x7d\x5e\x7d\x5d\x00" + check + b"\x7e"


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_packets_survive_the_way_through_a_frame(config: NodeConfig) -> None:
    packet = Packet(
        kind=Kind.WRITE, x=0x1ABC, y=0x0123, offset=0x1F_F008, exit=Port.EAST, src_x=1, src_y=0x1FFF, src_exit=Port.WEST,
        tag=0xA5, post=True, sem=19, mask=1 << config.line_bytes - 1 | 1, data=bytes(range(config.line_bytes)),
    )  # fmt: skip
    assert unpack_packet(pack_packet(packet, config), config) == packet


def test_a_field_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="tag = 0x400 does not fit"):
        pack_packet(Packet(kind=Kind.READ, x=0, y=0, offset=0, tag=1 << TAG_BITS), PRESETS["tiny"])


def test_a_payload_of_another_length_is_no_packet() -> None:
    with pytest.raises(ValueError, match="bytes, not 3"):
        unpack_packet(b"abc", PRESETS["tiny"])


def test_an_identity_survives_and_later_versions_may_be_longer() -> None:
    config = PRESETS["small"]
    identity = Identity(
        clock_hz=25_000_000, rows=2, columns=3, descriptor=config.descriptor, key=config.key, name="small", window=32, session=7
    )  # fmt: skip
    assert len(identity.pack()) == Identity.BYTES
    assert Identity.unpack(identity.pack() + b"more") == identity
    assert Identity.of(config, clock_hz=1, rows=1, columns=1).isa_version == ISA_VERSION
    with pytest.raises(ValueError, match="44 bytes"):
        Identity.unpack(identity.pack()[:-1])


def test_of_another_version_only_the_version_is_known() -> None:
    assert Identity.unpack(b"\x01" + bytes(23)).version == 1


def test_a_name_that_is_too_long_is_cut_between_characters() -> None:
    identity = Identity(clock_hz=1, rows=1, columns=1, descriptor=0, key="00" * 8, name="fünfzehnzeichenü!")
    assert Identity.unpack(identity.pack()).name == "fünfzehnzeichen"


def test_a_bit_period_keeps_its_fraction() -> None:
    assert BitPeriod(25_000_000, 1_000_000).units == 25 << FRACTION_BITS
    assert BitPeriod(25_000_000, 3_000_000).units == round(25 / 3 * (1 << FRACTION_BITS))


@pytest.mark.parametrize("baud", [0, 100, 7_000_000])
def test_a_rate_out_of_reach_is_refused(baud: int) -> None:
    with pytest.raises(ValueError, match="baud"):
        BitPeriod(25_000_000, baud)
