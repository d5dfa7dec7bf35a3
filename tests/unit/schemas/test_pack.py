"""Packs of every version that is read, and none that is not."""

import struct

import msgspec
import pytest
import zstandard

from schemas.items import Client, Family, Item, Kind
from schemas.pack import PackEntry, PackFormatError, decode_block, encode_pack, index_length, read_index

ITEM = Item("shop", "s", Kind.VIEW, Family.DATADOG, 1, 2, 3, 4, opens=True, ends=False, body=b"{}")
CLIENT = Client("Chrome", "156.0.0.0", "Linux", "", "PC")


def block_of(pack: bytes) -> bytes:
    [(_, offset, length)] = read_index(pack).spans()
    return pack[offset : offset + length]


def test_an_item_keeps_who_sent_it() -> None:
    entry = PackEntry(0, "rum", 7, msgspec.structs.replace(ITEM, client=CLIENT), 2)
    pack, _ = encode_pack({("shop", "s"): [entry]})
    assert decode_block(block_of(pack)) == [entry]


@pytest.mark.parametrize("members", [13, 14], ids=["version-3", "version-4"])
def test_items_of_packs_from_before_say_nothing_of_it(members: int) -> None:
    item = list(msgspec.to_builtins(ITEM))[:members]
    item[10] = b"{}"
    block = zstandard.ZstdCompressor(write_checksum=True).compress(msgspec.msgpack.encode([[0, "rum", 7, item, 2]]))
    assert decode_block(block) == [PackEntry(0, "rum", 7, ITEM, 2)]


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_only_versions_that_are_known_are_read(version: int) -> None:
    tail = struct.pack("<II8s", 0, version, b"RLAKPACK")
    if version in {2, 3, 4}:
        assert index_length(tail) == len(tail)
    else:
        with pytest.raises(PackFormatError):
            index_length(tail)
