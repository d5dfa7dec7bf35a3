"""The explorer's questions about lines (views, actions, errors and so on), answered out of the table files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pyarrow as pa

from lake.block_files import Question
from lake.file_bounds import Span
from lake.parquet_duck import Unreadable
from lake.table_scan import Answer, Part, TableScan
from schemas.units import US_PER_MS
from sinks.store import ObjectInfo, ObjectMissing
from sinks.swap import LakeRestless
from viewer.explorer import Row, in_buckets, per_filter, shown
from viewer.filters import BadRequest, Column, Condition, Wanted, column, condition, microseconds
from viewer.listed import LINES, Listed
from viewer.paging import Order, after, cursor, order
from viewer.questions import Questions
from viewer.session_rows import as_json

_PLACE = ("filename", "file_row_number")
_KNOWN = "of "  # begins the name of a column among places
_TRIES = 10  # a folder is compacted once a day
Edge = Callable[["AskLines", Wanted, Order, int], tuple[int, object] | None]


class LineExplorer:
    """For any thread. A question takes a slot, as those to the index do, and may read so many bytes. `edge`: how many
    rows there are and what the first page reaches, when that is known without a look into the files.
    """

    def __init__(
        self, scan: TableScan, questions: Questions, question_bytes: int, edge: Edge = lambda *_: None
    ) -> None:
        self._scan = scan
        self._edge = edge
        self._questions = questions
        self._question_bytes = question_bytes

    def page(self, table: str, wanted: Wanted, sort: str, limit: int, behind_cursor: str) -> Row:
        """One page of rows, the way to the next, and how many there are in all.

        A file that goes between finding the rows and reading them, or turns out damaged then, makes it begin again.
        """
        for _ in range(_TRIES):
            try:
                return self._page(table, wanted, sort, limit, behind_cursor)
            except ObjectMissing:
                self._scan.list_again(table)
            except Unreadable:
                continue  # it is left out now
        raise LakeRestless(f"files of {table} were replaced {_TRIES} times while they were read: try again")

    def _page(self, table: str, wanted: Wanted, sort: str, limit: int, behind_cursor: str) -> Row:
        of = LINES[table]
        by = order(sort, of)
        where = condition(wanted, of)
        behind = after(behind_cursor, sort, of) if behind_cursor else Condition("TRUE", ())
        columns = [*used(wanted, of), by.column.source, *of.uses]
        with self.asking(wanted, of) as ask:
            known = None if behind_cursor else self._edge(ask, wanted, by, limit + 1)
            total, last = known or _count_and_edge(ask, where, behind, by, limit + 1, columns)
            places = _places(ask, where.also(behind.sql, *behind.params), by, limit + 1, last, columns)
            rows = _whole_rows(ask, by, places.slice(0, limit))
        following = None
        if places.num_rows > limit:
            last = places.slice(limit - 1, 1).to_pylist()[0]
            following = cursor(sort, last["value"], [last[f"k{n}"] for n in range(len(of.key))])
        return {table: as_json(rows), "next": following, "total": total}

    def facets(
        self, table: str, wanted: Wanted, names: Sequence[str], top: int, *, own: bool = True
    ) -> dict[str, list[Row]]:
        """The most frequent values of some columns; `own`: see `per_filter`."""
        of = LINES[table]
        columns = [column(name, of) for name in dict.fromkeys(names)]
        for one in columns:
            if not one.params and not of.can_count(of.columns[one.name]):
                raise BadRequest(f"values of {one.name!r} are not counted: see /fields")
        found: dict[str, list[Row]] = {one.name: [] for one in columns}
        with self.asking(wanted, of) as ask:
            for some, their in per_filter(wanted, columns, own=own):
                _count_values(ask, their, of, some, top, found)
        return found

    def histogram(self, table: str, wanted: Wanted, buckets: int) -> Row:
        """Rows over time, in equal steps."""
        of = LINES[table]
        where = condition(wanted, of)
        columns = [*used(wanted, of), of.time]
        with self.asking(wanted, of) as ask:
            first, last = (None if one is None else microseconds(one) for one in (wanted.from_ms, wanted.to_ms))
            if first is None or last is None:
                sql = f"SELECT min(epoch_us({of.time})), max(epoch_us({of.time})) FROM lines WHERE {where.sql}"
                least, most = (one[0].as_py() for one in ask(sql, where.params, columns).columns)
                first = least if first is None else first
                last = most + US_PER_MS if last is None and most is not None else last
            if first is None or last is None or last <= first:
                bounds = [None if one is None else one / US_PER_MS for one in (first, last)]
                return {"from_ms": bounds[0], "to_ms": bounds[1], "step_ms": None, "buckets": []}
            step = ((last - first - 1) // (buckets * US_PER_MS) + 1) * US_PER_MS
            counted = ask(
                f"""SELECT (epoch_us({of.time})::HUGEINT - ?::HUGEINT) // ?::HUGEINT AS bucket, count(*)
                FROM lines WHERE {where.sql} AND {of.time} IS NOT NULL GROUP BY 1""",
                (first, step, *where.params),
                columns,
            )
        numbers, counts = (one.to_pylist() for one in counted.columns)
        return in_buckets(first, last, step, ("count",), {int(n): (c,) for n, c in zip(numbers, counts, strict=True)})

    @contextmanager
    def asking(self, wanted: Wanted, of: Listed, days: frozenset[str] | None = None) -> Iterator["AskLines"]:
        """Ask about lines that a filter can meet, in one slot. `days`: only files of these. Raises Busy, TooMuch."""
        with self.question() as question:
            yield self.of(question, wanted, of, days)

    @contextmanager
    def question(self) -> Iterator[Question]:
        """A slot, and what may be read in it. Raises Busy."""
        question = Question(self._question_bytes)
        with self._questions.slot() as slot, slot.ending(question.end):
            yield question

    def of(self, question: Question, wanted: Wanted, of: Listed, days: frozenset[str] | None = None) -> "AskLines":
        """The same as `asking`, as a part of a question."""
        return AskLines(self._scan, of.table, _span(wanted, days), question)


class AskLines(msgspec.Struct, frozen=True):
    """Queries of one question over `lines`."""

    scan: TableScan
    table: str
    span: Span
    question: Question

    def parts(self) -> dict[Part, ObjectInfo]:
        """The files that would be read, the newest day first, each with what its rows depend on."""
        return self.scan.parts(self.table, self.span, self.question)

    def of_files(
        self, files: Sequence[ObjectInfo], sql: str, params: Sequence[object], columns: Sequence[str]
    ) -> pa.Table:
        """A query of these alone, in `steadily`; the column `file_index` is a place among them."""
        return self.scan.ask_of(files, self.table, columns, sql, params, self.question, ["file_index"])

    def steadily(self, do: Callable[[], Answer]) -> Answer:
        """What `do` comes to; again when files of the table turn out gone or damaged. Raises LakeRestless."""
        return self.scan.steadily(self.table, self.question, do)

    def __call__(
        self, sql: str, params: Sequence[object], columns: Sequence[str], extra: Sequence[str] = ()
    ) -> pa.Table:
        """`columns`: those that the text uses. Raises TooMuch, LakeRestless, StoreError."""
        return self.scan.ask(self.table, self.span, columns, sql, params, self.question, extra)

    def in_batches(
        self,
        sql: str,
        params: Sequence[object],
        columns: Sequence[str],
        take: Callable[[Iterable[pa.RecordBatch]], Answer],
    ) -> Answer:
        """What `take` makes of the rows, which come a batch at a time; it may be called again. Raises the same."""
        return self.scan.in_batches(self.table, self.span, columns, sql, params, self.question, take)


def used(wanted: Wanted, of: Listed) -> list[str]:
    """Columns that a condition uses."""
    pairs = (*wanted.is_, *wanted.not_, *wanted.gt, *wanted.lt, *wanted.between)
    named = [column(pair.partition(":")[0], of).source for pair in pairs]
    return list(dict.fromkeys([*named, "app_id", of.time, *(of.searched if wanted.text.split() else ())]))


def _span(wanted: Wanted, days: frozenset[str] | None) -> Span:
    apps = frozenset({wanted.app}) if wanted.app is not None else wanted.apps
    first, last = (None if one is None else microseconds(one) for one in (wanted.from_ms, wanted.to_ms))
    return Span(first, last, apps, days)


def _value(by: Order) -> str:
    """What rows are sorted by, as numbers and texts."""
    return f"epoch_us({by.column.sql})" if by.column.type == "timestamp" else by.column.sql


def _count_and_edge(  # noqa: PLR0913 - what is counted, and of which page
    ask: AskLines, where: Condition, behind: Condition, by: Order, limit: int, columns: Sequence[str]
) -> tuple[int, object]:
    """How many rows there are in all, and the last value of the page, None when that is not known: in one pass."""
    least = "max" if by.descending else "min"
    found = ask(
        f"""SELECT count(*) AS total, {least}({_value(by)}, {limit}) FILTER ({behind.sql}) AS edge
        FROM lines WHERE {where.sql}""",
        (*behind.params, *where.params),
        columns,
    ).to_pylist()[0]
    edge = found["edge"] or []
    return found["total"], edge[-1] if len(edge) == limit else None


def _places(  # noqa: PLR0913 - as above
    ask: AskLines, page: Condition, by: Order, limit: int, last: object, columns: Sequence[str]
) -> pa.Table:
    """Where the rows of a page are, in its order, with value and key of each, and the columns of these: only rows up to
    its last value are read as far as their keys.
    """
    name, sql, params, value = by.column.sql, page.sql, page.params, _value(by)
    if last is not None:
        sign = ">=" if by.descending else "<="
        sql, params = f"({sql}) AND {name} {sign} {by.column.value_sql}", (*params, last)
    keys = ", ".join(f"{expression} AS k{number}" for number, expression in enumerate(by.of.key))
    known = ", ".join(f'"{name}" AS "{_KNOWN}{name}"' for name in _known(by))
    return ask(
        f"""SELECT {value} AS value, {keys}, {known}, {", ".join(_PLACE)} FROM lines WHERE {sql}
        ORDER BY {by.sql} LIMIT {limit}""",
        params,
        columns,
        _PLACE,
    )


def _known(by: Order) -> list[str]:
    """Columns that tell where rows are in an order."""
    return list(dict.fromkeys([by.column.source, *by.of.uses]))


def _whole_rows(ask: AskLines, by: Order, places: pa.Table) -> pa.Table:
    """All columns of these rows, in this order; those that are known are not read again."""
    names, numbers = (places[name].to_pylist() for name in _PLACE)
    of_file: dict[str, list[int]] = {}
    for name, number in zip(names, numbers, strict=True):
        of_file.setdefault(name, []).append(number)
    known = _known(by)
    found = ask.scan.rows(by.of.table, of_file, ask.question, known)
    positions = {place: position for position, place in enumerate(found.places)}
    in_order = (positions[place] for place in zip(names, numbers, strict=True))
    rows = found.rows.take(pa.array(in_order, pa.int64()))
    for name in known:
        column = rows.schema.get_field_index(name)
        rows = rows.set_column(column, rows.schema.field(column), places[_KNOWN + name].cast(rows.schema.types[column]))
    return rows


def _count_values(  # noqa: PLR0913 - what is counted, where and into what
    ask: AskLines, wanted: Wanted, of: Listed, columns: Sequence[Column], top: int, found: dict[str, list[Row]]
) -> None:
    where = condition(wanted, of)
    selected = ", ".join(f"{one.sql} AS c{number}" for number, one in enumerate(columns))
    names = [f"c{number}" for number in range(len(columns))]
    sets = ", ".join(f"({name})" for name in names)
    values = ", ".join(f"{name}::VARCHAR" for name in names)
    rows = ask(
        f""", hit AS NOT MATERIALIZED (SELECT {selected} FROM lines WHERE {where.sql}),
        counted AS (SELECT GROUPING({", ".join(names)}) AS bits, {", ".join(names)}, count(*) AS hits FROM hit
        GROUP BY GROUPING SETS ({sets})),
        flat AS (SELECT bits, coalesce({values}) AS value, hits FROM counted)
        SELECT bits, value, hits FROM flat
        QUALIFY row_number() OVER (PARTITION BY bits ORDER BY hits DESC, value) <= {top}
        ORDER BY bits, hits DESC, value NULLS LAST""",
        [*(value for one in columns for value in one.params), *where.params],
        [*used(wanted, of), *(one.source for one in columns)],
    )
    every = 2 ** len(columns) - 1
    by_bits = {every - 2 ** (len(columns) - 1 - number): one for number, one in enumerate(columns)}
    for bits, value, hits in zip(*(one.to_pylist() for one in rows.columns), strict=True):
        one = by_bits[bits]
        found[one.name].append({"value": shown(one.type, value), "count": hits})
