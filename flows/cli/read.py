"""The commands that read sessions: `sessions`, `show`, `export`."""

import json
import operator
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.text import Text

from flows.cli.options import CommandFailed, JsonOption, LakeOption, opened_lake, settings_with
from flows.settings import ConfigurationError
from flows.shown import console, counted, duration, moment, plain, plain_table, printable, size
from lake.blob_reader import BlobReader
from lake.catalog import Row, latest_sessions, latest_views, session_rows, table_rows
from lake.export import NoReplay, blob_keys, native_segments, readable_blobs, rrweb_tracks
from lake.notes import Note, NoteKind, stored_notes, track_notes
from operators.rrweb.track import Track
from schemas.tables import TABLES
from sinks.store import ObjectStore

_OPERATORS: dict[str, Callable[[object, object], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,  # type: ignore[dict-item]
    "<=": operator.le,  # type: ignore[dict-item]
    ">": operator.gt,  # type: ignore[dict-item]
    "<": operator.lt,  # type: ignore[dict-item]
}
_CONDITION = re.compile(r"(\w+)(!=|>=|<=|=|>|<)(.*)", re.DOTALL)
_RELATIVE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHOWN = ("views", "actions", "errors", "console")  # tables of the timeline, in the order of rows of one moment
_APPS_NAMED = 5
_WORDS = {"int64": "an integer", "bool": "true or false", "timestamp": "a time"}
_TYPES = {field.name: field.type for field in TABLES["sessions"].fields}
_AppOption = Annotated[str | None, typer.Option("--app", help="of this app; needed where several share a session id")]


def sessions(  # noqa: PLR0913 - one option per filter
    lake: LakeOption = None,
    app: Annotated[str | None, typer.Option(help="only this app id")] = None,
    since: Annotated[str | None, typer.Option(help="started at or after: ISO time, or 30m, 2h, 3d ago")] = None,
    until: Annotated[str | None, typer.Option(help="started before")] = None,
    has_replay: Annotated[bool | None, typer.Option("--has-replay/--no-replay", help="with or without replay")] = None,
    errors: Annotated[bool, typer.Option("--errors", help="with at least one error")] = False,
    user: Annotated[str | None, typer.Option(help="user id, name or e-mail, the whole of it")] = None,
    where: Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE, also != > >= < <=; repeat for more")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most this many")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List sessions, newest first.

    Example: replaylake sessions --lake ./demo-lake --errors --since 3d --where browser=Chrome
    """
    conditions: list[Callable[[Row], bool]] = [_condition(text) for text in where or []]
    if app is not None:
        conditions.append(lambda row: row["app_id"] == app)
    if since is not None:
        start = _time("--since", since)
        conditions.append(lambda row: _at(row) >= start)
    if until is not None:
        end = _time("--until", until)
        conditions.append(lambda row: _at(row) < end)
    if has_replay is not None:
        conditions.append(lambda row: row["session_has_replay"] == has_replay)
    if errors:
        conditions.append(lambda row: int(str(row["session_error_count"] or 0)) > 0)
    if user is not None:
        conditions.append(lambda row: user in (row["userid"], row["user_name"], row["user_email"]))
    store = opened_lake(settings_with(lake))
    rows = latest_sessions(table_rows(store, "sessions"))
    found = [row for row in rows if all(condition(row) for condition in conditions)]
    if as_json:
        print(json.dumps([_jsonable(row) for row in found[:limit]]))
        return
    if not found:
        print(f"no session of {len(rows):,} in {store.uri} matches" if rows else f"no sessions in {store.uri} yet")
        return
    _print_sessions(found[:limit])
    more = f", {len(found) - limit:,} more (--limit)" if len(found) > limit else ""
    print(f"{counted(len(found[:limit]), 'session')}{more}")


def show(
    session_id: Annotated[str, typer.Argument(help="session id, or its beginning")],
    lake: LakeOption = None,
    app: _AppOption = None,
    part: Annotated[int | None, typer.Option(help="only this window of the session")] = None,
    as_json: JsonOption = False,
) -> None:
    """One session: summary, timeline of views, actions and errors, replay index.

    Example: replaylake show 230f3e7c --lake ./demo-lake
    """
    store = opened_lake(settings_with(lake))
    windows = [row for row in _windows(store, session_id, app) if part is None or row["session_part"] == part]
    if not windows:
        raise CommandFailed(f"session {session_id!r} has no part {part}")
    for window in windows:
        timeline, (blobs, notes) = _timeline(store, window), _recording(store, window)
        if as_json:
            found = {
                "session": _jsonable(window),
                "timeline": [_jsonable(row) for _, row in timeline],
                "replay": {"notes": [note.as_json() for note in notes]},
            }
            print(json.dumps(found))
            continue
        _print_summary(window)
        _print_timeline(window, timeline)
        _print_replay(window, blobs, notes)


def export(  # noqa: PLR0913 - one option per choice
    session_id: Annotated[str, typer.Argument(help="session id, or its beginning")],
    lake: LakeOption = None,
    app: _AppOption = None,
    native: Annotated[bool, typer.Option("--native", help="the source segments untouched, one a line")] = False,
    track: Annotated[
        int | None, typer.Option(min=0, help="which track, when tabs were open together; else the first that plays")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="an object: the events, and notes of what is lost")] = False,
) -> None:
    """The replay as a JSON array of rrweb events, on standard output.

    What of it is lost is said on standard error. Exit code 1, and the reason, when there is nothing to play.
    Example: replaylake export 230f3e7c --lake ./demo-lake > replay.json
    """
    if native and as_json:
        raise ConfigurationError("export: --native or --json, not both")
    store = opened_lake(settings_with(lake))
    windows = _windows(store, session_id, app)
    rows = session_rows(store, "replay_segments", str(windows[0]["app_id"]), str(windows[0]["session_id"]))
    notes = stored_notes(windows, rows)
    try:
        if native:
            _export_native(store, rows, notes)
        else:
            _export_events(store, windows[0], rows, notes, track, as_json=as_json)
    except NoReplay as error:
        raise CommandFailed(printable(f"session {windows[0]['session_id']!r}: {error}")) from error


def _export_native(store: ObjectStore, rows: list[Row], notes: list[Note]) -> None:
    written = 0
    for segment in native_segments(store, blob_keys(rows), notes.append):
        sys.stdout.buffer.write(segment + b"\n")
        written += 1
    if not written:
        raise NoReplay(_why_nothing(notes))
    _warn(notes)


def _export_events(  # noqa: PLR0913 - what decides about it
    store: ObjectStore, window: Row, rows: list[Row], notes: list[Note], wanted: int | None, *, as_json: bool
) -> None:
    keys = blob_keys(rows)
    if not keys:
        raise NoReplay(_why_nothing(notes))
    tracks = rrweb_tracks(store, keys, notes.append)
    if wanted is not None and 0 < len(tracks) <= wanted:
        has = f"tracks 0 to {len(tracks) - 1}" if len(tracks) > 1 else "track 0 only"
        raise NoReplay(f"it has {has}, not {wanted}")
    played = next((one for one in tracks if (one.events if wanted is None else one.track_id == wanted)), None)
    if all(note.kind is not NoteKind.NO_FULL_SNAPSHOT for note in notes):  # else that is all there is to say
        notes += [note for one in tracks for note in _unplayable(one, rows)]
    if played is None or not played.events:
        raise NoReplay(_why_nothing(notes))
    notes += track_notes(played)
    if len(tracks) > 1 and not as_json:
        message = f"track {played.track_id} of {len(tracks)}: tabs that were open together play apart"
        print(message, file=sys.stderr)
    _warn(notes)
    if as_json:
        about = {"app_id": window["app_id"], "session_id": window["session_id"], "track": played.track_id}
        said = [note.as_json() for note in notes]
        json.dump({**about, "tracks": len(tracks), "notes": said, "events": played.events}, sys.stdout)
    else:
        json.dump(played.events, sys.stdout)
    print()


def _unplayable(track: Track, rows: list[Row]) -> list[Note]:
    """Why a track has no events, if it has none."""
    if track.events:
        return []
    own = [row for row in rows if row["view_id"] in track.view_ids]
    if any(row["has_full_snapshot"] for row in own):
        return track_notes(track)
    return [Note(NoteKind.NO_FULL_SNAPSHOT, len(own), track=track.track_id)]


def _why_nothing(notes: list[Note]) -> str:
    """The notes as the reason that there is nothing at all."""
    texts = list(dict.fromkeys(note.text for note in notes))
    return f"nothing to play: {'; '.join(texts)}" if texts else "it has no replay: nothing of it was recorded"


def _warn(notes: list[Note]) -> None:
    for note in notes:
        print(f"warning: {printable(note.text)}", file=sys.stderr)


def _at(row: Row) -> datetime:
    start = row["start"]
    return start if isinstance(start, datetime) else datetime.min.replace(tzinfo=UTC)


def _time(option: str, text: str) -> datetime:
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return datetime.now(UTC) - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option}: {text!r} is neither an ISO time nor like 30m, 2h, 3d") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _condition(text: str) -> Callable[[Row], bool]:
    found = _CONDITION.fullmatch(text)
    if not found:
        raise ConfigurationError(f"--where: {text!r} is not COLUMN=VALUE")
    column, sign, value = found.groups()
    if column not in _TYPES:
        raise ConfigurationError(f"--where: sessions has no column {column!r}")
    wanted = _typed(column, value)
    compare = _OPERATORS[sign]
    return lambda row: row[column] is not None and compare(row[column], wanted)


def _typed(column: str, value: str) -> object:
    kind = _TYPES[column]
    try:
        if kind == "int64":
            return int(value)
        if kind == "bool":
            return {"true": True, "false": False}[value.lower()]
        if kind == "timestamp":
            return _time(f"--where {column}", value)
    except (ValueError, KeyError):
        raise ConfigurationError(f"--where: {column} takes {_WORDS[kind]}, not {value!r}") from None
    return value


def _windows(store: ObjectStore, session_id: str, app: str | None) -> list[Row]:
    """The windows of one session of one app, by id or unambiguous beginning of it, first part first."""
    rows = latest_sessions(table_rows(store, "sessions", {} if app is None else {"app_id": app}))
    found = [row for row in rows if row["session_id"] == session_id]
    found = found or [row for row in rows if str(row["session_id"]).startswith(session_id)]
    ids = sorted({str(row["session_id"]) for row in found})
    apps = sorted({str(row["app_id"]) for row in found})
    if not ids:
        place = store.uri if app is None else f"app {app!r} in {store.uri}"
        raise CommandFailed(f"no session {session_id!r} in {place}; `replaylake sessions` lists them")
    if len(ids) > 1:
        raise CommandFailed(
            f"{session_id!r} is the beginning of {len(ids)} sessions: {', '.join(map(printable, ids[:3]))}"
        )
    if len(apps) > 1:
        more = f" and {len(apps) - _APPS_NAMED} more" if len(apps) > _APPS_NAMED else ""
        named = ", ".join(map(repr, apps[:_APPS_NAMED]))
        raise CommandFailed(f"session {ids[0]!r} is in {len(apps)} apps: {named}{more}; say which with --app")
    return sorted(found, key=lambda row: int(str(row["session_part"])))


def _timeline(store: ObjectStore, window: Row) -> list[tuple[str, Row]]:
    events: list[tuple[str, Row]] = []
    for table in _SHOWN:
        rows = session_rows(store, table, str(window["app_id"]), str(window["session_id"]))
        mine = [row for row in rows if row["session_part"] == window["session_part"]]
        events += [(table, row) for row in (latest_views(mine) if table == "views" else mine)]
    return sorted(events, key=lambda event: (str(event[1]["time"]), _SHOWN.index(event[0])))


def _print_sessions(rows: list[Row]) -> None:
    numbers = ("duration", "views", "actions", "errors", "replay")
    table = plain_table("start (UTC)", "session", "app", "user", "first page", *numbers, "closed", right=numbers)
    for row in rows:
        part = f".{row['session_part']}" if row["session_part"] else ""
        table.add_row(
            moment(row["start"]),
            plain(row["session_id"], 36) + part,
            plain(row["app_id"], 18),
            plain(row["user_name"] or row["userid"], 16),
            plain(row["session_first_view_path"], 24),
            duration(float(str(row["time_spent"]))),
            str(row["session_view_count"]),
            str(row["session_action_count"]),
            str(row["session_error_count"]),
            size(float(str(row["replay_bytes"]))) if row["session_has_replay"] else "-",
            plain(row["close_reason"]),
        )
    console().print(table)


def _print_summary(row: Row) -> None:
    facts = {
        "session": f"{row['session_id']} part {row['session_part']} revision {row['revision']}",
        "app": " ".join(str(row[name]) for name in ("app_id", "service", "version", "env") if row[name]),
        "time (UTC)": f"{moment(row['start'])} to {moment(row['end'])}",
        "duration": f"{duration(float(str(row['time_spent'])))}, active {duration(float(str(row['active_time'])))}",
        "closed": str(row["close_reason"]),
        "user": " ".join(str(row[name]) for name in ("userid", "user_name", "user_email") if row[name]),
        "browser": " ".join(str(row[name]) for name in ("browser", "browser_version", "os", "device") if row[name]),
        "counts": ", ".join(
            f"{row[f'session_{name}_count']} {name.replace('_', ' ')}s"
            for name in ("view", "action", "error", "resource", "long_task")
        )
        + f", {row['session_console_count'] or 0} console entries",
        "frustration": ", ".join(f"{row[f'{name}_click_count']} {name}" for name in ("rage", "dead", "error")),
        "received": f"{row['duplicate_count']} duplicates, {row['late_count']} late",
    }
    table = plain_table()
    for name, value in facts.items():
        table.add_row(name, plain(value))
    console().print(table)


def _print_timeline(window: Row, timeline: list[tuple[str, Row]]) -> None:
    start = _at(window)
    table = plain_table("at", "what", "", right=("at",))
    for kind, row in timeline:
        at = row["time"]
        offset = (at - start).total_seconds() if isinstance(at, datetime) else 0.0
        stamp = f"{'-' if offset < 0 else '+'}{int(abs(offset)) // 60:02d}:{abs(offset) % 60:04.1f}"
        if kind == "views":
            table.add_row(stamp, "view", plain(row["view_url"] or row["view_name"], 100))
        elif kind == "actions":
            name = Text.assemble(plain(row["action_name"], 80), (_frustration(row), "yellow"))
            table.add_row(stamp, plain(f"  {row['action_type']}"), name)
        elif kind == "console":
            table.add_row(stamp, plain(f"  console {row['level']}"), plain(row["message"], 100))
        else:
            table.add_row(stamp, "  [red]error[/red]", plain(row["error_message"], 100))
    console().print()
    console().print(table)


def _frustration(row: Row) -> str:
    types = [
        name for name in ("rage_click", "dead_click", "error_click") if name in str(row["action_frustration_types"])
    ]
    return f" {', '.join(types)}" if types else ""


def _recording(store: ObjectStore, window: Row) -> tuple[list[BlobReader], list[Note]]:
    """What can be read of the replay of one window, and what is lost."""
    found = session_rows(store, "replay_segments", str(window["app_id"]), str(window["session_id"]))
    rows = [row for row in found if row["session_part"] == window["session_part"]]
    notes = stored_notes([window], rows)
    return list(readable_blobs(store, blob_keys(rows), notes.append)), notes


def _print_replay(window: Row, blobs: list[BlobReader], notes: list[Note]) -> None:
    out = console()
    out.print()
    if not blobs and not notes:
        out.print("no replay")
        return
    out.print(
        f"replay: {window['replay_segment_count']} segments, {window['replay_record_count']} records, "
        f"{size(float(str(window['replay_raw_bytes'])))} in {size(float(str(window['replay_bytes'])))}, "
        f"{window['replay_missing_segment_count']} segments missing"
    )
    if window["replay_key"]:
        out.print(plain(f"  {window['replay_key']}"))
    for note in notes:
        out.print(plain(f"  warning: {note.text}"))
    for index in (blob.index for blob in blobs):
        for frame in index.frames:
            span = duration((frame.end_ms - frame.start_ms) * 1e6)
            out.print(f"  frame at {frame.offset}: {size(frame.length)}, {span}, {len(frame.snapshots)} full snapshots")
        for start_ms, end_ms in index.idle:
            begin = duration((start_ms - index.start_ms) * 1e6)
            out.print(f"  idle {duration((end_ms - start_ms) * 1e6)} from +{begin}")


def _jsonable(row: Row) -> dict[str, object]:
    return {name: _plain_value(value) for name, value in row.items() if value is not None}


def _plain_value(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        return dict(value)
    return value
