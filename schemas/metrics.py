"""Every metric of job, intake and viewer, declared once: exporters, dashboard and docs/metrics.md follow."""

from enum import StrEnum

import msgspec


class MetricKind(StrEnum):
    """How Prometheus treats a value."""

    COUNTER = "counter"  # since the start of the process; exposed with the suffix _total
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(msgspec.Struct, frozen=True):
    """One metric family. `name` carries the unit and, for counters, no `_total`."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()


_C, _G, _H = MetricKind.COUNTER, MetricKind.GAUGE, MetricKind.HISTOGRAM

BUILD = Metric("replaylake_build_info", _G, "Always 1; the labels say what runs.", ("version", "leaf"))
LAG = Metric("replaylake_lag_messages", _G, "Messages on the broker that are not read yet.", ("topic", "partition"))
PARTITION_WAIT = Metric(
    "replaylake_partition_wait_seconds",
    _G,
    "How long a partition that is behind has brought nothing, or nobody has answered for it; no session closes then.",
    ("topic", "partition"),
)
CLOCK_AGE = Metric(
    "replaylake_receive_clock_age_seconds",
    _G,
    "How far the receive clock, which closes windows, is behind the wall clock; negative: ahead.",
    ("reader",),
)
LAST_COMMIT = Metric(
    "replaylake_last_commit_timestamp_seconds", _G, "When the last epoch was known to be committed.", ("reader",)
)
OPEN_SESSIONS = Metric("replaylake_open_sessions", _G, "Sessions with something that is not written yet.")
MEMO_SESSIONS = Metric("replaylake_memo_sessions", _G, "Closed sessions that late data can still revise.")
MEMO_BYTES = Metric("replaylake_memo_bytes", _G, "Memory of the moments of closed sessions.")
MESSAGES = Metric("replaylake_messages", _C, "Messages read from the broker.", ("reader",))
MESSAGE_BYTES = Metric("replaylake_message_bytes", _C, "Bytes of message values read.", ("reader",))
TOMBSTONES = Metric("replaylake_tombstones", _C, "Messages without a value, as a compacted topic has them.")
REPLACED_STAMPS = Metric(
    "replaylake_stamps_replaced",
    _C,
    "Messages whose timestamp cannot be, and that count as received now, by reason.",
    ("reason",),
)
CLOCK_CORRECTIONS = Metric(
    "replaylake_clock_corrections", _C, "Times that a receive clock was ahead of the machine's clock and was put right."
)
ITEMS = Metric("replaylake_items", _C, "Lines and segments kept.", ("shard",))
WINDOWS = Metric("replaylake_windows_closed", _C, "Session windows written first, by close reason.", ("reason",))
REVISIONS = Metric("replaylake_revisions", _C, "Session windows written again for late data.")
LATE_ITEMS = Metric("replaylake_late_items", _C, "Items that came after their window was closed.")
DUPLICATES = Metric("replaylake_duplicates", _C, "Copies that were counted and not stored twice.")
QUARANTINED = Metric("replaylake_quarantined", _C, "Input put into the quarantine, by reason.", ("reason",))
SKIPPED = Metric(
    "replaylake_skipped", _C, "Lines that are understood and have no place in the lake, by reason.", ("reason",)
)
ERASED = Metric("replaylake_erased_items", _C, "Items and windows not kept, because an erasure had been ordered.")
ROWS = Metric("replaylake_table_rows", _C, "Rows staged for the tables.", ("table",))
PACK_BYTES = Metric("replaylake_pack_bytes", _C, "Bytes of packs written.")
BLOB_BYTES = Metric("replaylake_blob_bytes", _C, "Bytes of replay blobs, and of the styles they share, staged.")
EPOCH_SECONDS = Metric("replaylake_epoch_seconds", _H, "From the begin of an epoch to its snapshot.")
COMMIT_SECONDS = Metric("replaylake_commit_seconds", _H, "From the source's snapshot until the next epoch may begin.")
STAGE_SECONDS = Metric("replaylake_stage_seconds", _H, "Time to store what an epoch of one shard made.")
PUBLISH_SECONDS = Metric("replaylake_publish_seconds", _H, "Time to make a committed epoch of one shard visible.")
STORE_REQUESTS = Metric(
    "replaylake_store_requests", _C, "Requests to the object store, by operation and outcome.", ("operation", "outcome")
)
STORE_BYTES = Metric("replaylake_store_bytes", _C, "Bytes to and from the object store.", ("direction",))
STORE_RETRIES = Metric("replaylake_store_retries", _C, "Calls repeated because the store was unavailable.")

INTAKE_REQUESTS = Metric("replaylake_intake_requests", _C, "Requests answered, by type and status.", ("type", "status"))
INTAKE_REFUSED = Metric("replaylake_intake_refused", _C, "Requests that were not taken, by reason.", ("reason",))
INTAKE_LEFT_OUT = Metric(
    "replaylake_intake_left_out", _C, "Parts of taken requests that were not stored, by reason.", ("reason",)
)
INTAKE_MESSAGES = Metric("replaylake_intake_messages", _C, "Messages that Kafka has confirmed, by type.", ("type",))
INTAKE_BYTES = Metric("replaylake_intake_message_bytes", _C, "Bytes of their values.")
INTAKE_UNREADABLE = Metric(
    "replaylake_intake_unreadable",
    _C,
    "Of them those without a row: what is refused goes into quarantine, else it is counted.",
)
INTAKE_MASKED = Metric("replaylake_intake_masked", _C, "Texts and values that a masking rule replaced.")
INTAKE_PENDING = Metric("replaylake_intake_pending_bytes", _G, "Bodies being read or waiting for the broker.")
INTAKE_SECONDS = Metric("replaylake_intake_seconds", _H, "From a request's head to its answer.")

SERVE_REQUESTS = Metric("replaylake_serve_requests", _C, "Requests answered, by route and status.", ("route", "status"))
SERVE_SECONDS = Metric("replaylake_serve_seconds", _H, "From a request's head to the end of its answer.")
SERVE_AGE = Metric("replaylake_serve_lake_age_seconds", _G, "Since the list of sessions was last read from the lake.")
SERVE_FILES = Metric(
    "replaylake_serve_files",
    _G,
    "Files of the sessions table, by state: listed, read, and read of a later release.",
    ("state",),
)
SERVE_LEFT_OUT = Metric(
    "replaylake_serve_files_left_out", _G, "Listed files whose sessions are not shown, by reason.", ("reason",)
)
SERVE_COPIES = Metric(
    "replaylake_serve_line_copies", _G, "Narrow copies of files of lines, by state: made, missing.", ("state",)
)
SERVE_LOOKS = Metric("replaylake_serve_looks", _C, "Times the index looked for new files, by outcome.", ("outcome",))
SERVE_QUESTIONS = Metric("replaylake_serve_questions", _C, "Questions that were given a slot.")
SERVE_REFUSED = Metric(
    "replaylake_serve_questions_refused", _C, "Questions that got no answer, by the bound that they met.", ("bound",)
)
SERVE_WATCHED = Metric("replaylake_serve_watched_sessions", _G, "Sessions in memory that are not closed, or just were.")
SERVE_CHUNKS = Metric(
    "replaylake_serve_chunks", _C, "Answers with a closed chunk of a replay: made, or shared.", ("how",)
)
SERVE_STORE_REQUESTS = Metric(
    "replaylake_serve_store_requests", _C, "Calls to the object store, by outcome.", ("outcome",)
)
SERVE_STORE_BYTES = Metric("replaylake_serve_store_bytes", _C, "Bytes read from the object store.")
SERVE_CACHE_BYTES = Metric("replaylake_serve_cache_bytes", _G, "Memory of the blocks of table files that all share.")
SERVE_CACHE_READ_BYTES = Metric(
    "replaylake_serve_cache_read_bytes",
    _C,
    "Bytes of blocks that were wanted: found in memory (hit) or asked of the store (miss).",
    ("outcome",),
)
SERVE_UNREADABLE = Metric(
    "replaylake_serve_unreadable_files", _C, "Files of the line tables that are left out, because they are not Parquet."
)
SERVE_READS_REFUSED = Metric(
    "replaylake_serve_reads_refused", _C, "Questions for a session that would have taken too many bytes, or too long."
)
SERVE_SCANNED = Metric(
    "replaylake_serve_scanned_files",
    _C,
    "Files of lines that questions about all sessions read, and spared by what they say of their rows.",
    ("outcome",),
)

JOB_METRICS: tuple[Metric, ...] = (
    BUILD, LAG, PARTITION_WAIT, CLOCK_AGE, LAST_COMMIT, OPEN_SESSIONS, MEMO_SESSIONS, MEMO_BYTES,
    MESSAGES, MESSAGE_BYTES, TOMBSTONES, REPLACED_STAMPS, CLOCK_CORRECTIONS,
    ITEMS, WINDOWS, REVISIONS, LATE_ITEMS, DUPLICATES, QUARANTINED, SKIPPED, ERASED, ROWS,
    PACK_BYTES, BLOB_BYTES, EPOCH_SECONDS, COMMIT_SECONDS, STAGE_SECONDS, PUBLISH_SECONDS,
    STORE_REQUESTS, STORE_BYTES, STORE_RETRIES,
)  # fmt: skip
METRICS: tuple[Metric, ...] = (
    *JOB_METRICS,
    INTAKE_REQUESTS, INTAKE_REFUSED, INTAKE_LEFT_OUT, INTAKE_MESSAGES, INTAKE_BYTES, INTAKE_UNREADABLE, INTAKE_MASKED,
    INTAKE_PENDING, INTAKE_SECONDS,
    SERVE_REQUESTS, SERVE_SECONDS, SERVE_AGE, SERVE_FILES, SERVE_LEFT_OUT, SERVE_COPIES, SERVE_LOOKS,
    SERVE_QUESTIONS, SERVE_REFUSED, SERVE_WATCHED, SERVE_CHUNKS, SERVE_STORE_REQUESTS, SERVE_STORE_BYTES,
    SERVE_CACHE_BYTES, SERVE_CACHE_READ_BYTES, SERVE_UNREADABLE, SERVE_READS_REFUSED, SERVE_SCANNED,
)  # fmt: skip


def exposed_name(metric: Metric) -> str:
    """The name of a metric's sample in a query; a histogram has `_bucket`, `_sum` and `_count`."""
    suffix = {MetricKind.COUNTER: "_total", MetricKind.GAUGE: "", MetricKind.HISTOGRAM: "_bucket"}
    return metric.name + suffix[metric.kind]
