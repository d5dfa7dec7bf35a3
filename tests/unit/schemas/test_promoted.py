"""Keys of `custom` as columns of the views: typed, null where a value does not fit, and `custom` as it was."""

from pathlib import Path

import duckdb
import pytest

from flows.settings import ConfigurationError, load_settings
from lake.duck import open_duck
from schemas.engine_ddl import clickhouse_ddl, duckdb_ddl, trino_ddl
from schemas.keys import table_key
from schemas.promoted import Promoted, taken_names
from schemas.tables import TABLES
from sinks.store import LocalStore
from sinks.tables import encode_rows
from tests.required_columns import required

DAY = "2026-03-01"
COLUMNS = [
    Promoted("order_value", "context.order's value", "double"),
    Promoted("is_new", "context.new", "bool"),
    Promoted("plan", "usr.plan", "string"),
]
NAMES = "order_value, is_new, plan"
# What is in `custom`, and what the three columns say.
ROWS = [
    ({"context.order's value": "12.5", "context.new": "true", "usr.plan": "pro"}, (12.5, True, "pro")),
    ({"context.order's value": "-3", "context.new": "false", "usr.plan": "1"}, (-3.0, False, "1")),
    ({"context.order's value": "many", "context.new": "1", "usr.plan": ""}, (None, None, "")),
    ({"other": "x"}, (None, None, None)),
    (None, (None, None, None)),
]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "lake")
    rows: list[dict[str, object]] = [
        {**required("sessions"), "app_id": "a", "session_id": str(number), "session_part": 0, "custom": custom}
        for number, (custom, _) in enumerate(ROWS)
    ]
    actions: list[dict[str, object]] = [{**required("actions"), "custom": {"usr.plan": "team"}}]
    store.put(
        {
            table_key("sessions", 14, DAY, "one"): encode_rows("sessions", rows),
            table_key("actions", 14, DAY, "one"): encode_rows("actions", actions),
        }
    )
    return store


@pytest.mark.parametrize("view", ["sessions", "sessions_all"])
def test_the_lake_s_own_sql_has_the_columns_and_custom_too(store: LocalStore, view: str) -> None:
    with open_duck(store, promoted=COLUMNS) as duck:
        found = duck.query(f"select custom, {NAMES} from {view} order by session_id").to_pylist(
            maps_as_pydicts="strict"
        )
        assert [tuple(row.values()) for row in found] == [(custom, *values) for custom, values in ROWS]
        assert duck.query("select plan, order_value from actions").to_pylist() == [
            {"plan": "team", "order_value": None}
        ]


def test_views_for_duckdb_say_the_same_and_explain_the_column(store: LocalStore) -> None:
    with duckdb.connect() as connection:
        connection.execute(duckdb_ddl(str(store.uri), ["sessions"], COLUMNS))
        found = connection.execute(f"select {NAMES} from sessions order by session_id").fetchall()
        (comment,) = connection.execute(
            "select comment from duckdb_columns() where table_name = 'sessions' and column_name = 'order_value'"
        ).fetchall()
    assert found == [values for _, values in ROWS]
    assert comment == (COLUMNS[0].doc,)


def test_a_table_without_custom_has_none_of_them(store: LocalStore) -> None:
    for text in (trino_ddl(COLUMNS), clickhouse_ddl(store.uri, COLUMNS)):
        views = [one for one in text.split("CREATE OR REPLACE VIEW ") if ' as "plan"' in one]
        assert {one.split()[0].removesuffix("_view") for one in views} == {
            name for name, table in TABLES.items() if any(field.name == "custom" for field in table.fields)
        }


def test_a_text_goes_to_an_engine_as_a_text(store: LocalStore) -> None:
    assert "try_cast(element_at(custom, 'context.order''s value') as double) as \"order_value\"" in trino_ddl(COLUMNS)
    assert "accurateCastOrNull(custom['context.order''s value'], 'Float64')" in clickhouse_ddl(store.uri, COLUMNS)


@pytest.mark.parametrize(
    "name", ["start", "dt", "time_spent_seconds", "started_at", "Plan", "1st", "a-b", "x" * 65, ""]
)
def test_a_name_that_is_taken_or_needs_quotes_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"tables\.promote"):
        load_settings(tables={"promote": {name: {"key": "usr.plan"}}})


def test_a_name_may_be_a_word_of_sql(store: LocalStore) -> None:
    with open_duck(store, promoted=[Promoted("order", "usr.plan", "string")]) as duck:
        assert duck.query('select "order" from actions').to_pylist() == [{"order": "team"}]


def test_the_setting_is_what_the_views_take() -> None:
    assert {"start", "dt", "time_spent_seconds", "started_at"} <= taken_names()
    settings = load_settings(tables={"promote": {"order_value": {"key": "a.b", "type": "double"}, "x": {"key": "c"}}})
    assert settings.tables.promoted() == [Promoted("order_value", "a.b", "double"), Promoted("x", "c", "string")]
