"""Mutated requests of real SDKs to the intake: no 500, and what it says yes to holds all that decode finds in them."""

import asyncio
import random
from collections import Counter

from intake.policy import Policy
from operators.decode import decode
from operators.families.registry import ROUTES
from operators.wire.message import Message
from operators.wire.unusable import Limits
from schemas.items import Item
from tests.conftest import LONG
from tests.fuzz.corpus import real_messages
from tests.fuzz.mutate import mutate
from tests.unit.asgi import Intake, ask

LIMITS = Limits()
COUNT = 20_000 if LONG else 120
PATHS = {kind: path for path, kind in ROUTES.items()}


def found_in(message: Message) -> Counter[tuple[str, str, int, int]]:
    results = decode(message, LIMITS)
    return Counter((r.app_id, r.session_id, r.kind, r.ident) for r in results if isinstance(r, Item))


async def _send_all(count: int) -> Counter[int]:
    chance = random.Random(7)
    corpus = [message for message in real_messages() if message.type in PATHS]
    intake = Intake(Policy(limits=LIMITS))
    statuses: Counter[int] = Counter()
    for _ in range(count):
        message = mutate(chance.choice(corpus), chance.choice(corpus), chance)
        kind = message.type if message.type in PATHS else chance.choice(sorted(PATHS))
        headers = [(b"content-type", message.headers.get("content-type", b"text/plain"))]
        intake.kept.messages.clear()
        answer = await ask(intake.app, "POST", PATHS[kind].encode(), headers, [message.value])
        statuses[answer.status] += 1
        assert answer.status in {200, 202, 400, 413, 415}, answer
        if answer.status < 300:
            received_ms = intake.kept.messages[0].message.received_ms  # a line without time takes it for its own
            sent = Message(kind, {"content-type": headers[0][1]}, message.value, received_ms)
            stored = sum((found_in(one.message) for one in intake.kept.messages), Counter())
            assert stored == found_in(sent)
            assert all(
                {ids[:2] for ids in found_in(one.message)} <= {(one.app_id, one.session_id)}
                for one in intake.kept.messages
            )
    assert intake.counts.pending_bytes == 0
    return statuses


def test_mutated_requests_are_stored_whole_or_refused() -> None:
    statuses = asyncio.run(_send_all(COUNT))
    assert statuses[200] + statuses[202] > COUNT / 2
