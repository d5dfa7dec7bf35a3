"""A short fuzz run without coverage guidance; `make fuzz` is the long one."""

import random

from tests.fuzz.account import Depth, account
from tests.fuzz.corpus import real_messages, restored, stored
from tests.fuzz.mutate import mutate

PAYLOADS = 3000
DEPTHS = [Depth.CLOSE, *[Depth.DECODE] * 4, Depth.PLAY, *[Depth.DECODE] * 4]


def test_mutated_real_messages_are_all_accounted_for() -> None:
    chance = random.Random(1)
    messages = [message for message in real_messages() if len(message.value) < 20_000]
    for number in range(PAYLOADS):
        message = mutate(chance.choice(messages), chance.choice(messages), chance)
        assert account(message, DEPTHS[number % len(DEPTHS)])


def test_a_stored_message_comes_back() -> None:
    message = real_messages()[0]
    assert restored(stored(message)) == message
