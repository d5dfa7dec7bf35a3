"""Whatever number or time is asked for: a right answer, or 4xx that says what is wrong with the question."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serve.server import API, Served, session_path

Row = dict[str, Any]
EDGES = [0, 1, 59, 2**31, 2**53, 2**63 // 1000, 2**63 - 1, 2**63, 2**64, 2**127, 2**128, 10**300, 10**400]
NUMBERS = st.one_of(
    st.sampled_from([sign * edge + step for edge in EDGES for sign in (1, -1) for step in (-1, 0, 1)]).map(str),
    st.integers().map(str),
    st.floats().map(str),
    st.integers(1_795_000_000_000, 1_796_000_000_000).map(str),  # about when the samples were recorded
)
ODD = st.sampled_from(
    ["", " ", "-", "+5", "-0", "nan", "-nan", "inf", "-inf", "Infinity", "1e308", "1e309", "-1e309", "1e-400", "0x10",
     "1_0", "\u0663", "\u00bd", "5\0", "1,5", "NULL", "true", "0001-01-01", "9999-12-31T23:59:59.999999-14:00",
     "0001-01-01T00:00:00+14:00", "2026-11-20T12:00:00", "2026-13-01", "9" * 900, "0." + "9" * 900]
)  # fmt: skip
VALUES = NUMBERS | ODD
PLAIN = ["from", "to", "limit", "top", "buckets", "track", "chunk", "part"]
PAIRS = ["is", "not", "gt", "lt"]
COLUMNS = ["start", "time_spent", "session_error_count", "cls_worst", "session_has_replay", "session_part"]
QUERY = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(PLAIN), VALUES),
        st.tuples(st.sampled_from(PAIRS), st.builds("{}:{}".format, st.sampled_from(COLUMNS), VALUES)),
    ),
    max_size=4,
)
ROUTES = ["/histogram", "/sessions", "/facets?columns=browser,cls_worst", "/live"]
OF_A_SESSION = [
    "/timeline",
    "/replay",
    "/replay/events",
    "/replay/blobs",
    "/replay/blobs/{}",
    "/replay/blobs/{}/styles/x",
]
MANY = settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def session(rows: list[Row]) -> str:
    """The path of a session."""
    return session_path(rows[0])


@pytest.fixture(scope="session")
def starts(rows: list[Row]) -> tuple[float, ...]:
    """When the windows begin."""
    return tuple(row["start"] for row in rows)


@MANY
@given(route=st.sampled_from(ROUTES), query=QUERY)
def test_no_number_makes_a_list_fail(served: Served, route: str, query: list[tuple[str, str]]) -> None:
    answer = served.ask(_path(API + route, query))
    assert answer.status in (200, 400), (query, answer.body)


@MANY
@given(route=st.sampled_from(OF_A_SESSION), place=VALUES.filter(bool), query=QUERY)
def test_no_number_makes_a_session_fail(
    served: Served, session: str, route: str, place: str, query: list[tuple[str, str]]
) -> None:
    answer = served.ask(_path(session + route.format(quote(place, safe="")), query))
    assert answer.status in (200, 400, 404), (query, answer.body)


@MANY
@given(begin=VALUES, end=VALUES, buckets=st.integers(1, 500))
def test_a_histogram_of_any_range_is_right(
    served: Served, starts: tuple[float, ...], begin: str, end: str, buckets: int
) -> None:
    answer = served.ask(_path(f"{API}/histogram", [("from", begin), ("to", end), ("buckets", str(buckets))]))
    if answer.status == 400:
        return
    found = answer.json()
    inside = [start for start in starts if float(begin) <= start < float(end)]
    assert sum(bucket["sessions"] for bucket in found["buckets"]) == len(inside)
    assert len(found["buckets"]) <= buckets
    begun = [bucket["start_ms"] for bucket in found["buckets"]]
    assert begun == sorted(begun)
    assert (begun == []) == (found["from_ms"] >= found["to_ms"])


@pytest.mark.parametrize(
    ("begin", "end"), [("-9223372036854000", "9223372036854000"), ("9223372036854000", "-9223372036854000")]
)
def test_the_largest_ranges_are_answered(served: Served, rows: list[Row], begin: str, end: str) -> None:
    found = served.ask(f"{API}/histogram?from={begin}&to={end}").json()
    assert sum(bucket["sessions"] for bucket in found["buckets"]) == (len(rows) if begin < end else 0)


def test_numbers_with_fractions_can_be_asked_for(served: Served, rows: list[Row]) -> None:
    shifts = sorted({row["cls_worst"] for row in rows if row["cls_worst"]})
    assert shifts
    for column, value in [("cls_worst", shifts[0]), ("session_error_count", 0.5), ("session_error_count", 1.0)]:
        for sign, holds in (("is", value.__eq__), ("gt", value.__lt__), ("lt", value.__gt__)):
            found = served.ask(f"{API}/sessions?limit=500&{sign}={column}:{value}").json()
            expected = [row for row in rows if row[column] is not None and holds(float(row[column]))]
            assert found["total"] == len(expected), (sign, column, value)


@pytest.mark.parametrize("seconds", [-1, 0, 59, 2**31, 2**63, 2**64, 10**400, 1.5, "60", None])
def test_a_link_for_an_odd_time_is_refused_or_made(served: Served, seconds: object) -> None:
    body = {"app": "a", "session_id": "s", "seconds": seconds}
    assert served.ask(f"{API}/links", "POST", body=body).status in (200, 400)


def _path(route: str, query: list[tuple[str, str]]) -> str:
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
    return f"{route}{'&' if '?' in route else '?'}{pairs}"
