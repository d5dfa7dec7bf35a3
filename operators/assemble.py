"""From a closed window and its items to what is stored: one session row, its line rows, its segment rows, its blob.

A pure function of the *set* of items: copies are settled by content, rows are ordered by the data.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, cast

import msgspec

from operators.client.columns import fill
from operators.families.registry import family_of, line_row
from operators.recorded.browser_window import browser_windows, omitted_count
from operators.recorded.derived import Derived, Told
from operators.recorded.rows import Sources, derive
from operators.replay.cut import CutLimits, CutReplay, ReplayWindow, cut
from operators.replay.recording import open_body
from operators.replay.records import Record
from operators.replay.scan import replay_segment
from operators.rows.error_groups import fingerprint
from operators.rows.session_row import ReplayTotals, Row, session_row
from operators.rows.signals import Activity, Window, action_times_ms, activity, in_order, is_slow, view_signals
from operators.rows.views import ViewLine, ViewRules, add_note, final_views, note_order
from operators.windows.tracker import CloseOrder, places
from operators.windows.tracker import references as references_of
from schemas.items import LINE_TABLE, Client, Item, Kind, RejectReason
from schemas.line_columns import VIEW
from schemas.pack import PackEntry
from schemas.units import US_PER_MS

Reference = tuple[int, int]  # (seq, ordinal) of a pack entry

_VIEWS = "views"
_PAGE = tuple(field.name for field in VIEW if field.name.startswith("view_"))
# Numbers of their own: to make an IntEnum of each line's, or to compare with one, is slow.
_TABLES = {int(kind): table for kind, table in LINE_TABLE.items()}
_VIEW, _ERROR, _RESOURCE, _SEGMENT, _NOTE = map(int, (Kind.VIEW, Kind.ERROR, Kind.RESOURCE, Kind.SEGMENT, Kind.NOTE))


class LineRecord(msgspec.Struct, frozen=True, gc=False):
    """One row of a line table, and where it stands among all lines.

    `received_ms`: its receive time, which decides its day. `client`: who sent the line. `is_new`: in this revision.
    `is_sampled`: its SDK tells of some pages only.
    """

    table: str
    received_ms: int
    row: Row
    client: Client | None
    place: tuple[int, int, int]  # time, kind, identity
    is_new: bool
    is_sampled: bool


class RefusedEntry(msgspec.Struct, frozen=True):
    """An item that was taken in but cannot be stored."""

    entry: PackEntry
    reason: str
    detail: str


class Assembled(msgspec.Struct, frozen=True):
    """Everything one revision of one window adds to the lake. `blob_key` is empty when there is no blob."""

    session: Row
    lines: list[LineRecord]
    segments: list[Row]
    blob_key: str
    blob: bytes
    refused: list[RefusedEntry]
    styles: dict[str, bytes]  # text by SHA-256: what the blob shares with others


class _Stored(NamedTuple):
    """The blobs of all revisions. A revision without a blob has the key ""."""

    keys: Sequence[str]
    size_bytes: int


def assemble(
    order: CloseOrder,
    entries: Mapping[Reference, PackEntry],
    blob_key: Callable[[int], str],
    limits: CutLimits,
    known_bytes: Mapping[str, int] | None = None,
) -> Assembled:
    """Build a window's rows and blob.

    `blob_key`: the object key of a revision's blob. `known_bytes`: sizes of some blobs that were made before, by key;
    those of earlier revisions that are not among them are made again, because the session row states the size of all.
    """
    known_bytes = known_bytes or {}
    revisions = [*_revisions(order, entries), _pick(entries, order.new_moments)]
    segments = [_segments(revision) for revision in revisions]
    known = [known_bytes.get(blob_key(number)) for number in range(len(order.cuts))] + [None]
    cuts = [_cut(order, found, limits, size) for found, size in zip(segments, known, strict=True)]
    sizes = [len(replay.blob) if size is None else size for replay, size in zip(cuts, known, strict=True)]
    keys = [blob_key(number) if size else "" for number, size in enumerate(sizes)]
    session, rows, refused = _rows(order, revisions, cuts, _Stored(keys, sum(sizes)))
    return Assembled(
        session=session,
        # What comes late can change what is said of every view of its window, so a revision brings all of them.
        lines=[one for one in rows if one.is_new or (order.revision and one.table == _VIEWS)],
        segments=_segment_rows(order, segments[-1], cuts[-1], keys[-1]),
        blob_key=keys[-1],
        blob=cuts[-1].blob,
        refused=refused + _refused(segments[-1], cuts[-1]),
        styles=cuts[-1].styles,
    )


def assemble_open(
    order: CloseOrder, entries: Mapping[Reference, PackEntry], replay: CutReplay
) -> tuple[Row, list[LineRecord]]:
    """The session row and the lines of a window that is still open, as they would be if it closed now.

    `replay`: from `uncut`. Of segments only the bodies of those that bring elements are looked at.
    """
    session, rows, _ = _rows(order, [_pick(entries, order.new_moments)], [replay], _Stored([], 0))
    return session, rows


def references(order: CloseOrder) -> list[Reference]:
    """Which pack entries `assemble` needs."""
    return references_of(order.moments + order.new_moments)


def _rows(
    order: CloseOrder, revisions: Sequence[Sequence[PackEntry]], cuts: Sequence[CutReplay], stored: _Stored
) -> tuple[Row, list[LineRecord], list[RefusedEntry]]:
    """The session row; every line in order; lines that no row can be made of."""
    everything = list(chain.from_iterable(revisions))
    items = [entry.item for entry in everything]
    segments = [item for item in items if item.segment is not None]
    refused: list[RefusedEntry] = []
    rows, said, loose = _line_rows(order, everything, {entry.item.ident for entry in revisions[-1]}, refused)
    if segments:
        rows += _derived_rows(order, revisions, rows)
        rows.sort(key=_BY_PLACE)
    if any(family_of(family).views.are_sampled for family in {item.family for item in items}):
        _into_open_views(rows, loose)
    totals = _replay_totals(cuts, stored)
    tables = _by_table(rows)
    window = Window(order.start_us, order.end_us)
    view_signals(window, tables, _inputs_by_view(cuts))
    skew_ms = min([item.received_ms - item.end_us // US_PER_MS for item in items])
    session = session_row(order, said, tables, totals, _activity(window, tables, cuts), skew_ms)
    session["sdk_family"] = _sdk_of_all(items)
    session["recorded_omitted_count"] = omitted_count(segments)
    _tell_clients(session, rows, items)
    return session, rows, refused


def _derived_rows(
    order: CloseOrder, revisions: Sequence[Sequence[PackEntry]], lines: Sequence[LineRecord]
) -> list[LineRecord]:
    """The rows that only the recording gives, in every revision with those of the revisions before it."""
    before: dict[tuple[Kind, int], Derived] = {}
    found: dict[tuple[Kind, int], Derived] = {}
    for number in range(1, len(revisions) + 1):
        entries = [entry for revision in revisions[:number] for entry in revision]
        windows = browser_windows(entry.item for entry in entries)
        before = found
        if windows:
            told = lines if number == len(revisions) else _line_rows(order, entries, set(), [])[0]
            found = derive(windows, Told(_by_table(told)), before, order.end_us, _SOURCES)
    return [_derived_record(order, one, is_new=key not in before) for key, one in found.items()]


def _records_of(item: Item) -> list[Record]:
    """The records of a segment, read again; none of one that is nested too deeply for the stack at this place."""
    recording = family_of(item.family).recording
    try:
        return open_body(replay_segment(item, recording).inflated(), recording).records
    except RecursionError:
        return []


def _derived_record(order: CloseOrder, one: Derived, *, is_new: bool) -> LineRecord:
    row = cast("Row", dict(one.row)) | _of_window(order, one.item, from_recording=True)
    row["received_at"] = one.received_ms * US_PER_MS
    if one.kind == Kind.RESOURCE:
        row["is_slow"] = is_slow(row)
    place = one.at_us, one.kind, one.ident
    client, is_sampled = one.item.client, _are_sampled(one.item)
    return LineRecord(_TABLES[one.kind], one.received_ms, row, client, place, is_new, is_sampled)


def _tell_clients(session: Row, rows: Sequence[LineRecord], items: Iterable[Item]) -> None:
    """What the requests say of the visitor's browser, where the lines do not; of a session that of the last item whose
    request says something. The recording may know the screen.
    """
    if "screen_size" not in session:
        shown = next((one.row for one in reversed(rows) if "screen_size" in one.row), None)
        session |= {} if shown is None else {"screen_size": shown["screen_size"]}
    told = [item for item in items if item.client is not None]
    newest = max(told, key=lambda item: (item.begin_us, item.kind, item.ident), default=None)
    if newest is None or newest.client is None:
        return
    fill(session, newest.client)
    for one in rows:
        if one.client is not None:
            fill(one.row, one.client)


def _revisions(order: CloseOrder, entries: Mapping[Reference, PackEntry]) -> list[list[PackEntry]]:
    starts = [0, *order.cuts]
    return [_pick(entries, order.moments[start:end]) for start, end in zip(starts, order.cuts, strict=False)]


def _pick(entries: Mapping[Reference, PackEntry], packed: bytes) -> list[PackEntry]:
    """The entries of some moments, one per identity: the copy with the most content, as if received first."""
    best: dict[int, PackEntry] = {}
    for ident, seq, ordinal in places(packed):
        entry = entries[seq, ordinal]
        known = best.setdefault(ident, entry)
        if known is not entry:
            best[ident] = _richer(known, entry)
    return list(best.values())


def _richer(known: PackEntry, copy: PackEntry) -> PackEntry:
    entry = copy if _content(copy.item) > _content(known.item) else known
    received_ms = min(known.item.received_ms, copy.item.received_ms)
    clients = [one.item.client for one in (known, copy) if one.item.client is not None]
    client = min(clients, key=msgspec.structs.astuple, default=None)
    item = msgspec.structs.replace(entry.item, received_ms=received_ms, client=client)
    return msgspec.structs.replace(entry, item=item)


def _content(item: Item) -> tuple[int, bytes]:
    return item.end_us, item.body


def _line_rows(
    order: CloseOrder, entries: Iterable[PackEntry], new: set[int], refused: list[RefusedEntry]
) -> tuple[list[LineRecord], list[Row], list[ViewLine]]:
    """Rows of all lines, views once, in their final state.

    And what is known of the visitor, in a fixed order: these rows, and among them those of notes, not to be stored.
    And the notes of views that no line tells.
    """
    rows: list[LineRecord] = []
    shared: dict[int, tuple[Row, ViewRules]] = {}  # what all lines of a family have in common
    of_views: list[ViewLine] = []
    notes: list[ViewLine] = []
    for entry in entries:
        item = entry.item
        kind = item.kind
        if kind == _SEGMENT:
            continue
        try:
            line = line_row(item.family, item.body)
        except ValueError as error:  # it passed decode, which reads only what the session rules need
            if item.ident in new:
                refused.append(RefusedEntry(entry, RejectReason.MALFORMED_JSON, str(error)))
            continue
        family = shared.get(item.family) or _family(order, item, shared)
        if kind == _VIEW:
            of_views.append(ViewLine(item, line, family[1]))
        elif kind == _NOTE:
            notes.append(ViewLine(item, line, family[1]))
        else:
            rows.append(_record(item, cast("Row", line.row), family, is_new=item.ident in new))
    for view in final_views(of_views, notes, order.start_us):
        is_new = not view.idents.isdisjoint(new)
        rows.append(_record(view.item, cast("Row", view.row), shared[view.item.family], is_new=is_new))
    rows.sort(key=_BY_PLACE)
    if not notes:
        return rows, [one.row for one in rows], []
    said = [(one.place, one.row) for one in rows]
    said += [((item.begin_us, item.kind, item.ident), _without_custom(line.row)) for item, line, _ in notes]
    said.sort(key=itemgetter(0))
    view_ids = {one.row.get("view_id") for one in rows if one.table == _VIEWS}
    loose = [note for note in notes if note.view_id not in view_ids]
    return rows, [row for _, row in said], loose


def _are_sampled(item: Item) -> bool:
    return family_of(item.family).views.are_sampled


_SOURCES = Sources(_records_of, _are_sampled)


def _into_open_views(rows: Sequence[LineRecord], loose: Iterable[ViewLine]) -> None:
    """What names a view that has no row goes to the one that was open, or to the first; and what names no address has
    that of its view. `rows`: in order.
    """
    views = [(one.place[0], one.row) for one in rows if one.table == _VIEWS]
    by_id = {row.get("view_id"): row for _, row in views}

    def open_at(at_us: int) -> Row:
        return views[max(0, bisect_right(views, at_us, key=lambda view: view[0]) - 1)][1]

    for note in sorted(loose, key=note_order) if views else ():
        if note.rules.are_sampled:
            view: Any = open_at(note.item.begin_us)
            add_note(note, view)
    for one in rows if views else ():
        row = one.row
        if one.is_sampled and one.table != _VIEWS:
            own = by_id.get(row.get("view_id")) or open_at(one.place[0])
            row["view_id"] = own["view_id"]
            for name in _PAGE:
                if name in own:
                    row.setdefault(name, own[name])


def _without_custom(row: Mapping[str, object]) -> Row:
    return {name: value for name, value in row.items() if name != "custom"}


def _sdk_of_all(items: Sequence[Item]) -> str:
    """Whose SDK a window is of: where several were at work, that of its lines, and of these the first by name."""
    kinds: dict[object, Item] = {item.family: item for item in reversed(items) if item.segment is None}  # the first
    if not kinds:
        kinds = {(item.family, item.segment.sdk_name): item for item in reversed(items) if item.segment is not None}
    return min(family_of(item.family).sdk(item) for item in kinds.values())


def _family(order: CloseOrder, item: Item, shared: dict[int, tuple[Row, ViewRules]]) -> tuple[Row, ViewRules]:
    """What the lines of an item's family share, for the first of them."""
    found = _of_window(order, item, from_recording=False), family_of(item.family).views
    shared[item.family] = found
    return found


def _of_window(order: CloseOrder, item: Item, *, from_recording: bool) -> Row:
    """What every line of a window has."""
    return {
        "app_id": order.app_id,
        "session_id": order.session_id,
        "session_part": order.part,
        "revision": order.revision,
        "sdk_family": family_of(item.family).sdk(item),
        "from_recording": from_recording,
    }


def _record(item: Item, row: Row, family: tuple[Row, ViewRules], *, is_new: bool) -> LineRecord:
    kind = item.kind
    shared, rules = family
    row.update(shared)
    row["received_at"] = item.received_ms * US_PER_MS
    if kind == _RESOURCE:
        row["is_slow"] = is_slow(row)
    elif kind == _ERROR:
        row["error_fingerprint"] = fingerprint(row.get("error_type"), row.get("error_message"), row.get("error_stack"))
    place = item.begin_us, kind, item.ident
    return LineRecord(_TABLES[kind], item.received_ms, row, item.client, place, is_new, rules.are_sampled)


_BY_PLACE = attrgetter("place")


def _cut(order: CloseOrder, entries: Iterable[PackEntry], limits: CutLimits, known_bytes: int | None) -> CutReplay:
    segments = tuple(replay_segment(entry.item, family_of(entry.item.family).recording) for entry in entries)
    window = ReplayWindow(order.app_id, order.session_id, order.part, segments)
    return cut(window, limits, without_blob=known_bytes is not None)


def _segments(entries: Iterable[PackEntry]) -> list[PackEntry]:
    found = [entry for entry in entries if entry.item.kind == _SEGMENT]
    return sorted(found, key=lambda entry: (entry.item.begin_us, entry.item.ident))


def _replay_totals(cuts: Sequence[CutReplay], stored: _Stored) -> ReplayTotals:
    placements = [placement for replay in cuts for placement in replay.placements]
    return ReplayTotals(
        segments=[placement.segment for placement in placements],
        record_count=sum(placement.records_count for placement in placements),
        raw_bytes=sum(placement.raw_bytes for placement in placements),
        blob_bytes=stored.size_bytes,
        key=next((key for key in stored.keys if key), ""),
    )


def _by_table(rows: Iterable[LineRecord]) -> dict[str, list[Row]]:
    """The rows of every line table, views in order."""
    tables: dict[str, list[Row]] = {table: [] for table in LINE_TABLE.values()}
    for one in rows:
        tables[one.table].append(one.row)
    tables["views"] = in_order(tables["views"])
    return tables


def _inputs_by_view(cuts: Iterable[CutReplay]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for replay in cuts:
        for view_id, times_ms in replay.view_inputs_ms.items():
            found.setdefault(view_id, []).extend(times_ms)
    return found


def _activity(window: Window, tables: Mapping[str, Sequence[Row]], cuts: Iterable[CutReplay]) -> Activity:
    inputs_ms = {time_ms for replay in cuts for time_ms in replay.input_times_ms}
    return activity(window, inputs_ms.union(action_times_ms(tables["actions"])))


def _segment_rows(order: CloseOrder, found: Sequence[PackEntry], replay: CutReplay, key: str) -> list[Row]:
    rows: list[Row] = []
    for placement in replay.placements:
        item = found[placement.position].item
        meta = placement.segment
        rows.append(
            {
                "app_id": order.app_id,
                "session_id": order.session_id,
                "session_part": order.part,
                "revision": order.revision,
                "view_id": meta.view_id,
                "index_in_view": meta.index_in_view,
                "start": meta.start_ms * US_PER_MS,
                "end": meta.end_ms * US_PER_MS,
                "received_at": item.received_ms * US_PER_MS,
                "records_count": placement.records_count,
                "has_full_snapshot": placement.has_full_snapshot,
                "creation_reason": meta.creation_reason,
                "raw_bytes": placement.raw_bytes,
                "replay_key": key,
                "frame_offset": placement.frame_offset,
                "frame_length": placement.frame_length,
                "sdk_name": meta.sdk_name,
                "sdk_version": meta.sdk_version,
                "source": family_of(item.family).name,
                "sdk_family": family_of(item.family).sdk(item),
            }
        )
    return rows


def _refused(found: Sequence[PackEntry], replay: CutReplay) -> list[RefusedEntry]:
    return [RefusedEntry(found[r.position], r.reason, r.detail) for r in (*replay.rejected, *replay.over)]
