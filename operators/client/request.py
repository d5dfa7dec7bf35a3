"""Who sent a message, by the headers of its request: worked out once for each set of texts that is met."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from operators.client.headers import CLIENT_HEADERS, HEADER_BYTES_MAX, USER_AGENT
from operators.client.hints import with_hints
from operators.client.user_agent import client_of_user_agent
from schemas.items import Client

_CACHED_REQUESTS = 2048  # of at most 4 KiB each; a site's visitors have a few hundred

_Texts = tuple[bytes | None, ...]  # in the order of CLIENT_HEADERS


class Clients:
    """Who sent a message. `keeps_text`: whether the User-Agent itself is kept too.

    A text has one client, and the same object for every message: what an item carries of it costs a reference.
    """

    def __init__(self, *, keeps_text: bool = False) -> None:
        self._keeps_text = keeps_text
        self._known: Callable[[_Texts], Client | None] = lru_cache(_CACHED_REQUESTS)(self._client)

    def of(self, headers: Mapping[str, bytes]) -> Client | None:
        """None where the headers say nothing. `headers`: names in lower case."""
        if not headers:
            return None
        texts = tuple(map(headers.get, CLIENT_HEADERS))
        return None if texts == _NOTHING else self._known(texts)

    def _client(self, texts: _Texts) -> Client | None:
        said = {
            name: text.decode(errors="replace")
            for name, text in zip(CLIENT_HEADERS, texts, strict=True)
            if text and len(text) <= HEADER_BYTES_MAX
        }
        user_agent = said.get(USER_AGENT, "")
        client = with_hints(client_of_user_agent(user_agent), said)
        if self._keeps_text and user_agent:
            client = msgspec.structs.replace(client or Client(), user_agent=user_agent)
        return client


_NOTHING: _Texts = (None,) * len(CLIENT_HEADERS)
