"""Decode: every message to items, refusals, what is skipped, or several; never an exception, never nothing.

What a request is gets decided once. An intake that has read a request says in the header `decision` whose it is, and
the job keeps to that: the value is not looked through for a form again, and what turns out to be of another app or
session is refused.
"""

import traceback
from collections.abc import Iterable, Mapping

import msgspec

from operators.families.family import Result
from operators.families.registry import FAMILIES, family_of, family_of_kind
from operators.replay.recording import open_body
from operators.wire.form import form_parts
from operators.wire.inflate import inflate
from operators.wire.message import DECISION, Message, without_coding
from operators.wire.unlabelled import Unlabelled
from operators.wire.unusable import JSON_ERRORS, Limits, Unusable
from schemas.items import Item, Rejected, RejectReason, Skipped

_DETAIL_MAX = 300  # characters


def decode(message: Message, limits: Limits) -> list[Result]:
    """All that is in a message. What cannot be used is a `Rejected` with the smallest part that is bad.

    A segment of which some records cannot be used is one item; `unusable_records` gives these.
    """
    results = _decode(message, limits)
    decision = message.headers.get(DECISION) if message.headers else None
    if decision is not None:
        return _as_decided(results, decision)
    if isinstance(results[0], Rejected):  # a cut-off upload is still of somebody
        try:
            ids = _known_ids(message, limits)
        except Exception:
            if results[0].reason != RejectReason.DECODER_FAULT:
                raise
            ids = "", ""
        return [_of(results[0], *ids, limits), *results[1:]]
    return results


def decided(message: Message, app_id: str, session_id: str) -> Message:
    """The message as an intake passes it on: nothing in it may be of another app or session. Empty: nothing at all."""
    ids = msgspec.json.encode((app_id, session_id))
    return msgspec.structs.replace(message, headers={**message.headers, DECISION: ids})


def unusable_records(item: Item, limits: Limits) -> Iterable[Rejected]:
    """The records of a segment that have no kind or no time, each with its own bytes; none of a line."""
    if item.scan is None or not item.scan.unusable_count:
        return
    is_plain = item.segment is not None and item.segment.encoding == "identity"
    raw = item.body if is_plain else inflate(item.body, limits.inflated_bytes)
    for text in open_body(raw, family_of(item.family).recording).others:
        yield Rejected(RejectReason.INVALID_TIME, "a record without a usable kind or time; the others are kept", text)


def _decode(message: Message, limits: Limits) -> list[Result]:
    try:
        if len(message.value) > limits.message_bytes:
            size = len(message.value)
            raise Unusable(RejectReason.TOO_LARGE, f"{size} bytes, the limit is {limits.message_bytes}")
        if not message.value:
            raise Unusable(RejectReason.EMPTY_BODY, "message without content")
        results = list(_results(without_coding(message, limits) if message.headers else message, limits))
        if not results:
            raise Unusable(RejectReason.EMPTY_BODY, "message without rows")
    except Unusable as refusal:
        # Items decoded before the refusal are dropped with it: the raw message holds them all.
        return [Rejected(refusal.reason, refusal.detail, message.value)]
    except MemoryError:
        raise
    except Exception as fault:  # noqa: BLE001 - one message that we cannot read must not stop all others
        return [Rejected(RejectReason.DECODER_FAULT, _fault(fault), message.value)]
    return results


def _fault(fault: Exception) -> str:
    """What a report of it needs: the place, and what was said there."""
    place = traceback.extract_tb(fault.__traceback__)[-1]
    file = place.filename.rpartition("/")[2]
    text = f"{type(fault).__name__} in {place.name}, line {place.lineno} of {file}: {fault}"
    return text[:_DETAIL_MAX].encode("utf-8", "replace").decode()


def _results(message: Message, limits: Limits) -> Iterable[Result]:
    kind = message.type
    if kind is None:
        kind = _recognised(message, limits)
        message = msgspec.structs.replace(message, type=kind)
    family = family_of_kind(kind)
    if family is None:
        raise Unusable(RejectReason.UNKNOWN_TYPE, f"type {kind[:100]!r}")
    return family.decode(message, limits)


def _recognised(message: Message, limits: Limits) -> str:
    """The type of a message without one, by headers and first bytes."""
    unlabelled = Unlabelled(message, limits)
    for family in FAMILIES:
        kind = family.recognise(unlabelled)
        if kind is not None:
            return kind
    raise Unusable(RejectReason.UNKNOWN_TYPE, "neither a type header nor a known beginning")


def _as_decided(results: list[Result], decision: bytes) -> list[Result]:
    try:
        app_id, session_id = _decode_decision(decision)
    except JSON_ERRORS:
        app_id = session_id = ""
    return [_held_to(result, app_id, session_id) for result in results]


def _held_to(result: Result, app_id: str, session_id: str) -> Result:
    if isinstance(result, Rejected):
        return _of(result, app_id, session_id)
    if isinstance(result, Skipped) or (result.app_id, result.session_id) == (app_id, session_id):
        return result
    return Rejected(RejectReason.INVALID_FIELD, "of another app or session than the intake found", result.body)


def _of(rejected: Rejected, app_id: str, session_id: str, limits: Limits | None = None) -> Rejected:
    """With the ids that are known of it, so that an erasure or a class of retention finds it."""
    if not app_id or not session_id or (limits and max(len(app_id), len(session_id)) > limits.id_length):
        return rejected
    return msgspec.structs.replace(rejected, app_id=app_id, session_id=session_id)


def _known_ids(message: Message, limits: Limits) -> tuple[str, str]:
    families = [family for family in FAMILIES if message.type is None or message.type in family.form_kinds]
    if not families:
        return "", ""
    try:
        parts: Mapping[str, bytes] = form_parts(without_coding(message, limits))
    except Unusable:
        parts = message.headers
    return next((ids for family in families if all(ids := family.form_ids(parts))), ("", ""))


_decode_decision = msgspec.json.Decoder(tuple[str, str]).decode
