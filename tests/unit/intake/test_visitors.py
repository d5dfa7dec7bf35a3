"""The visitor's address and place: into lines that say nothing of it, out of real database files, nowhere else."""

import json
from collections.abc import Iterator
from pathlib import Path

import mmdb_writer
import netaddr
import pytest

from intake.visitors import BadDatabase, Visitors, with_columns
from operators.decode import decode
from operators.families.registry import line_row
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Family, Item

LIMITS = Limits()
CITY = {
    "country": {"iso_code": "FR", "names": {"en": "France", "fr": "France"}},
    "subdivisions": [{"names": {"en": "Brittany"}}, {"names": {"en": "Morbihan"}}],
    "city": {"names": {"en": "Vannes"}},
}
PLACE = {"country": "France", "country_iso_code": "FR", "province": "Brittany", "city": "Vannes", "isp": "Example Net"}
LINES = {
    Family.GUANCE: (
        "guance.rum",
        {"measurement": "view", "tags": {"app_id": "a", "session_id": "s"}, "fields": {}, "time": 1795229663252},
    ),
    Family.DATADOG: (
        "datadog.rum",
        {
            "type": "view",
            "date": 1795229663252,
            "application": {"id": "a"},
            "session": {"id": "s"},
            "view": {"id": "v"},
        },
    ),
    Family.RRWEB: (
        "rrweb",
        {"event": "$pageview", "timestamp": "2026-11-21T00:00:00Z", "properties": {"token": "a", "$session_id": "s"}},
    ),
    Family.SENTRY: (
        "sentry",
        {},
        {"type": "span"},
        {"op": "pageload", "start_timestamp": 1795229663.25, "data": {"sentry.replay_id": "s"}},
    ),
}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("geo")
    made = []
    for name, network, record in (
        ("city", "198.51.100.0/24", CITY),
        ("asn", "198.51.0.0/16", {"autonomous_system_organization": "Example Net", "autonomous_system_number": 64500}),
    ):
        writer = mmdb_writer.MMDBWriter(database_type=name)
        writer.insert_network(netaddr.IPSet([network]), record)
        writer.to_db_file(str(folder / f"{name}.mmdb"))
        made.append(folder / f"{name}.mmdb")
    return made


@pytest.fixture
def visitors(databases: list[Path]) -> Iterator[Visitors]:
    with Visitors(databases, keeps_address=True) as found:
        yield found


def item_of(family: Family) -> Item:
    kind, *lines = LINES[family]
    value = b"\n".join([json.dumps(line).encode() for line in lines])
    [item] = decode(Message(str(kind), {"app_id": b"a"}, value, 1), LIMITS)
    assert isinstance(item, Item)
    return item


def test_databases_of_several_kinds_add_up(visitors: Visitors) -> None:
    assert visitors.columns("198.51.100.7") == {"ip": "198.51.100.7", **PLACE}
    assert visitors.columns("198.51.3.7") == {"ip": "198.51.3.7", "isp": "Example Net"}
    assert visitors.columns("192.0.2.1") == {"ip": "192.0.2.1"}


def test_what_is_no_address_has_no_columns(visitors: Visitors) -> None:
    assert visitors.columns("unix") == {}
    assert visitors.columns("2001:db8::1") == {"ip": "2001:db8::1"}  # the databases are of IPv4


def test_places_without_the_address(databases: list[Path]) -> None:
    with Visitors(databases, keeps_address=False) as found:
        assert found.columns("198.51.100.7") == PLACE


@pytest.mark.parametrize("family", Family)
def test_columns_reach_the_row_of_every_family(visitors: Visitors, family: Family) -> None:
    item = item_of(family)
    body = with_columns(item, item.body, visitors.columns("198.51.100.7"))
    row = line_row(family, body).row
    before = line_row(family, item.body).row
    assert row == {**before, "ip": "198.51.100.7", **PLACE}


@pytest.mark.parametrize("family", Family)
def test_a_line_that_names_a_place_keeps_it_and_no_byte_changes(visitors: Visitors, family: Family) -> None:
    item = item_of(family)
    own = with_columns(item, item.body, {"city": "Elsewhere"})
    assert with_columns(item, own, visitors.columns("198.51.100.7")) is own


def test_nothing_to_add_changes_no_byte() -> None:
    item = item_of(Family.GUANCE)
    assert with_columns(item, item.body, {}) is item.body


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wrong.mmdb"
    path.write_bytes(b"nonsense")
    for wrong in (path, tmp_path / "missing.mmdb"):
        with pytest.raises(BadDatabase, match=wrong.name):
            Visitors([wrong], keeps_address=False)
