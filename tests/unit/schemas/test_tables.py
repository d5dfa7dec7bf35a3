"""The declared tables: what a reader may rely on, and that the page about them is up to date."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operators.families.registry import line_row
from schemas.fields import is_copied
from schemas.items import LINE_TABLE, Family
from schemas.tables import TABLES, arrow_schema
from schemas.tables_doc import tables_markdown
from schemas.visitor_doc import visitor_markdown

PAGE = Path(__file__).parents[3] / "docs" / "tables.md"
LINE_TABLES = sorted(LINE_TABLE.values())

SESSION_COLUMNS = """
app_id session_id session_part revision session_type session_referrer
session_first_view_id session_first_view_url session_first_view_host session_first_view_path
session_first_view_path_group session_first_view_url_query
session_last_view_id session_last_view_url session_last_view_host session_last_view_path
session_last_view_path_group session_last_view_url_query
time_spent session_view_count session_error_count session_resource_count session_action_count session_long_task_count
session_has_replay
start end received_start received_end close_reason last_interaction_at active_time clock_skew_ms
frustration_count rage_click_count dead_click_count error_click_count
claimed_error_count claimed_resource_count claimed_action_count claimed_long_task_count duplicate_count late_count
replay_segment_count replay_missing_segment_count replay_record_count replay_raw_bytes replay_bytes replay_key
env service version source sdk_name sdk_version userid user_name user_email is_signin os os_version os_version_major
browser browser_version browser_version_major device screen_size network_type time_zone ip country province city isp
custom
idle_time is_bounce lcp_worst lcp_p75 inp_worst inp_p75 cls_worst cls_p75 slow_resource_count error_group_count
sdk_family session_console_count console_error_count console_warn_count recorded_omitted_count
"""


def test_the_page_about_the_visitor_is_up_to_date() -> None:
    page = PAGE.with_name("visitor.md").read_text(encoding="utf-8")
    assert page == visitor_markdown(), "run: python -m schemas.visitor_doc > docs/visitor.md"


def test_the_page_about_the_tables_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == tables_markdown(), "run: python -m schemas.tables_doc > docs/tables.md"


def test_sessions_has_the_promised_columns_in_the_promised_order() -> None:
    assert arrow_schema("sessions").names == SESSION_COLUMNS.split()


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_named_once_explained_and_sorted_by_one_that_exists(name: str) -> None:
    table = TABLES[name]
    names = [field.name for field in table.fields]
    assert len(set(names)) == len(names)
    assert all(field.doc for field in table.fields)
    assert set(table.sort_by) <= set(names)


@pytest.mark.parametrize("name", LINE_TABLES)
def test_line_tables_begin_alike_and_end_with_custom_and_what_was_added(name: str) -> None:
    names = [field.name for field in TABLES[name].fields if field.since == 1]
    assert names[:7] == ["app_id", "session_id", "session_part", "revision", "view_id", "time", "received_at"]
    assert names[-1] == "custom"


@pytest.mark.parametrize("name", LINE_TABLES)
@pytest.mark.parametrize("family", ["datadog", "posthog"])
def test_no_attribute_is_copied_into_two_columns(name: str, family: str) -> None:
    sources = [source for field in TABLES[name].fields if is_copied(source := getattr(field, family))]
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("name", TABLES)
def test_a_schema_survives_parquet_with_its_version_and_meanings(name: str, tmp_path: Path) -> None:
    schema = arrow_schema(name)
    pq.write_table(schema.empty_table(), tmp_path / "t.parquet")
    back = pq.read_schema(tmp_path / "t.parquet")
    assert back.equals(schema)
    assert back.metadata[b"replaylake.table"] == name.encode()
    assert back.metadata[b"replaylake.version"] == b"%d" % TABLES[name].version
    assert back.field("app_id").metadata[b"doc"]


def test_times_are_utc_microseconds_and_durations_whole_nanoseconds() -> None:
    schema = arrow_schema("views")
    assert schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert schema.field("time_spent").type == pa.int64()
    assert schema.field("time_spent").metadata[b"unit"] == b"ns"


def test_what_is_carried_from_any_line_table_is_in_sessions_with_its_type_and_group() -> None:
    sessions = {field.name: field for field in TABLES["sessions"].fields}
    for name in LINE_TABLES:
        for field in (field for field in TABLES[name].fields if field.carried != "no"):
            own = sessions[field.name]
            assert (own.type, own.unit, own.since, own.group) == (field.type, field.unit, field.since, field.group)


def test_a_row_fits_its_table() -> None:
    body = b'{"measurement":"view","tags":{"app_id":"a"},"fields":{"time_spent":1.0,"tier":"gold"},"time":1500}'
    line = line_row(Family.GUANCE, body)
    table = pa.Table.from_pylist([line.row], schema=arrow_schema(LINE_TABLE[line.kind]))
    (stored,) = table.to_pylist()
    assert stored["time"] == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert (stored["time_spent"], stored["custom"], stored["revision"]) == (1, [("tier", "gold")], None)
