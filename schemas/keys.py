"""Object keys of the lake: every key the writer can produce is made here.

    tables/<table>/retention=<N>d/dt=<YYYY-MM-DD>/<part>.parquet
    replays/retention=<N>d/dt=<YYYY-MM-DD>/app_id=<app>/<session>.<part>[.r<revision>].jsonl.zst
    replays/retention=<N>d/dt=<YYYY-MM-DD>/styles/[app_id=<app>/<name of the blob>/]<SHA-256>.zst
    packs/<shard>/<seq>-<n>-<incarnation>.pack
    staging/<shard>/<seq>-<incarnation>/<n>
    _job/owner.json    _job/fence/<shard>    _job/published/<shard>    _job/notices/<name>    _job/heard/<shard>
    _job/removed/<name>    _job/receipts/<name>.json    _job/lock/<token>    _job/compaction.json
    _job/iceberg.json    _job/retired/<name>    iceberg/<table>/...
    sourcemaps/app_id=<app>/release=<release>/<path>.map

Ids are data, never paths: whatever is not plain is percent-encoded, and long ones end in a hash.
"""

import hashlib
import re
from urllib.parse import quote, unquote

from schemas.retention import HELD_DAYS

TABLES = "tables/"
REPLAYS = "replays/"
PACKS = "packs/"
STAGING = "staging/"
OWNER = "_job/owner.json"  # which job writes this lake
FENCES = "_job/fence/"
PUBLISHED = "_job/published/"  # the last epoch of a shard that became visible
NOTICES = "_job/notices/"  # what a person has ordered
HEARD = "_job/heard/"  # which of it a writer knows
REMOVED = "_job/removed/"  # digests of keys that a command has removed
RECEIPTS = "_job/receipts/"  # of erasures
LOCKS = "_job/lock/"  # of the command that changes the lake now
SWAP = "_job/compaction.json"  # which files a command is replacing by which ones
REGISTRAR = "_job/iceberg.json"  # who keeps Iceberg tables of this lake
RETIRED = "_job/retired/"  # files that only an older Iceberg snapshot still needs
ICEBERG = "iceberg/"  # metadata of the Iceberg tables
SOURCE_MAPS = "sourcemaps/"  # of the scripts of pages; a person or a build puts them there
FOLDERS = frozenset({"tables", "replays", "packs", "staging", "_job"})  # a lake has some of them, and no others
FIRST_REVISIONS = "-r0"  # end of a file's name: every row in it is of revision 0, so it supersedes nothing
TABLE_ENDING = ".parquet"  # of the name of a table file

_STYLES = "styles"
_SEGMENT_LENGTH_MAX = 160  # file systems end at 255 bytes; the rest is for part, revision and ending
_HASH_LENGTH = 32
_BLOB_ENDING = re.compile(r"\.\d+(?:\.r\d+)?\.jsonl\.zst$")


def safe_segment(identifier: str) -> str:
    """An id as one path segment: no separators, no dots at the start, at most 160 ASCII characters, collision-free."""
    encoded = quote(identifier, safe="").replace("~", "%7E")
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    if len(encoded) > _SEGMENT_LENGTH_MAX:
        digest = hashlib.sha256(identifier.encode()).hexdigest()[:_HASH_LENGTH]
        encoded = f"{encoded[: _SEGMENT_LENGTH_MAX - _HASH_LENGTH - 1]}~{digest}"
    return encoded


def table_key(table: str, retention_days: int, day: str, name: str) -> str:
    """Key of one Parquet file; `name` without ending."""
    return f"{table_prefix(table, retention_days)}dt={day}/{name}{TABLE_ENDING}"


def table_prefix(table: str, retention_days: int) -> str:
    return f"{TABLES}{table}/retention={retention_days}d/"


def replay_key(  # noqa: PLR0913 - a key names all of this
    retention_days: int, day: str, app_id: str, session_id: str, part: int, revision: int
) -> str:
    """Key of a replay blob; a revision above 0 has a supplementary blob of its own."""
    suffix = f".r{revision}" if revision else ""
    name = f"{safe_segment(session_id)}.{part}{suffix}.jsonl.zst"
    return f"{replay_prefix(retention_days)}dt={day}/app_id={safe_segment(app_id)}/{name}"


def replay_prefix(retention_days: int) -> str:
    return f"{REPLAYS}retention={retention_days}d/"


def style_key(blob_key: str, digest: str) -> str:
    """Key of a style that a blob needs: shared by all blobs of its class and day; under legal hold the blob's own.

    So what a hold has copied can go with the blob when the hold ends, and nobody else misses it.
    """
    folder, app, name = blob_key.rsplit("/", 2)
    own = f"{app}/{name}/" if is_held(blob_key) else ""
    return f"{folder}/{_STYLES}/{own}{digest}.zst"


def is_style(key: str) -> bool:
    """Whether a key below `REPLAYS` is of a style, not of a blob."""
    return key.split("/")[3:4] == [_STYLES]


def is_held(key: str) -> bool:
    """Whether a key below `REPLAYS` is in the class of legal holds."""
    return key.startswith(replay_prefix(HELD_DAYS))


def style_digest(key: str) -> str:
    """The SHA-256 in the key of a style."""
    return key.rpartition("/")[2].removesuffix(".zst")


def replay_owner(key: str) -> tuple[str, str]:
    """App and session of a replay key, both as `safe_segment` writes them."""
    folder, _, name = key.rpartition("/")
    return folder.rpartition("app_id=")[2], _BLOB_ENDING.sub("", name)


def pack_key(shard: str, seq: int, number: int, incarnation: str) -> str:
    return f"{pack_folder(shard)}{seq:010d}-{number:03d}-{incarnation}.pack"


def pack_folder(shard: str) -> str:
    return f"{PACKS}{safe_segment(shard)}/"


def staging_key(shard: str, seq: int, number: int, incarnation: str) -> str:
    return f"{STAGING}{safe_segment(shard)}/{seq:010d}-{incarnation}/{number:05d}"


def fence_key(shard: str) -> str:
    return f"{FENCES}{safe_segment(shard)}"


def published_key(shard: str) -> str:
    return f"{PUBLISHED}{safe_segment(shard)}"


def heard_key(shard: str) -> str:
    return f"{HEARD}{safe_segment(shard)}"


def partition_value(key: str, column: str) -> str | None:
    """The value of a hive partition column in a key, decoded; None if the key has none."""
    for segment in key.split("/"):
        name, equals, value = segment.partition("=")
        if equals and name == column:
            return unquote(value)
    return None
