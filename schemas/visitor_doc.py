"""Writes docs/visitor.md from the declared columns: `python -m schemas.visitor_doc > docs/visitor.md`."""

import sys

from schemas.fields import Field, is_copied
from schemas.line_columns import VISITOR

_HEAD = """\
# The visitor's browser, system, device and screen

Made from the declarations in `schemas/` by `python -m schemas.visitor_doc`; do not edit.

Some SDKs say in every line what they run in, others leave it to whoever receives their requests. So these columns are
known for every family, in `sessions` and in all line tables:

1. **what the SDK itself says** wins;
2. else what the **request** says: client hints, and the User-Agent where they say nothing;
3. the screen also from the **recording**.

A pair of name and version is taken from one source or not at all: never the name that an SDK gives beside the version
that a header gives. Plain rrweb and Sentry say nothing of it in their messages: it comes from the request and the
recording.

"""

_TAIL = """
`-`: this source does not tell it. *from* means worked out of it. Of a row that was made from a recording, the sources
are those of its page, else of the request that brought its segment.

## Words

- `browser`: as SDKs say, without the variants that `device` tells apart: `Chrome` (also on phones, in apps, headless),
  `Safari`, `Firefox`, `Edge`, `Opera`, `Samsung Internet`, ... Chromium whose brand nobody tells is `Chromium`.
- `os`: `Windows`, `Mac OS`, `Linux`, `Android`, `iOS`, `Chrome OS`, ...
- `device` from a request: `PC`, `Mobile`, `Tablet`. PostHog's own `$device_type` says `Desktop`; it stays as sent.
- `screen_size`: the screen in pixels where an SDK tells it (Guance, PostHog), else the **viewport** of the page: of
  Datadog `display.viewport`, of a recording the last Meta record, of a request the two viewport hints.
- `session_type` is `bot` where the User-Agent names a crawler and the SDK says `user` or nothing: an SDK says `user` of
  everybody whom its own test runner did not send. A headless browser that does not call itself a bot is not one.
  Leave bots out with `not=session_type:bot`, or `session_type is distinct from 'bot'` in SQL.

## What a User-Agent does not tell

Browsers froze parts of it. Without client hints Windows 11 is `10`, every later macOS `10.15.7`, Android `10` in
Chromium, an iPad that asks for desktop pages a Mac; so say the SDKs too, which read the same text. Chromium sends
brand, system and `Mobile` with every request over HTTPS; the release of the system and the full version only to a site
that asks for them: `Accept-CH: Sec-CH-UA-Platform-Version, Sec-CH-UA-Full-Version-List` on the page, and for an intake
of another origin `Permissions-Policy: ch-ua-platform-version=*, ch-ua-full-version-list=*`.
Windows 11 is what says 13 or more in `Sec-CH-UA-Platform-Version`. `Sec-CH-UA-Model` is not read.

A User-Agent that is not of a browser or a bot (`posthog-node/…`, `python-requests/…`) tells nothing: such lines are
sent by servers, for the sessions of others. A header of more than 512 bytes tells nothing.

## Where the headers come from

| input | headers |
| --- | --- |
| `replaylake intake` | passes them on as headers of the Kafka message |
| messages of another intake | `user-agent`, `sec-ch-ua`, `sec-ch-ua-…`, in any case, if it passes them on |
| capture files | `raw_headers` |
| without them | PostHog's `properties.$raw_user_agent`; Sentry's `request.headers.User-Agent`, `user_agent.original` |

The lake has what was read from the headers, not the headers: their text is stored nowhere but in Kafka.
`run.keep_user_agent` puts the User-Agent into `custom` as `user_agent`, of lines and sessions.

Where copies of one item come with different headers, one of them is chosen by its content, in any order of arrival. A
session has the browser of its last item. The patterns: [decision 10](decisions/0010-who-sent-a-request.md).
"""


def visitor_markdown() -> str:
    """The whole page."""
    fields = [field for field in VISITOR if field.request or field.recording]
    rows = [_row(field) for field in fields]
    names = ("column", "Guance", "Datadog", "PostHog", "Sentry", "request", "recording")
    head = f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"
    return _HEAD + head + "\n".join(rows) + "\n" + _TAIL


def _row(field: Field) -> str:
    cells = [f"`{field.name}`", *map(_source, (field.guance, field.datadog, field.posthog, field.sentry))]
    return f"| {' | '.join([*cells, field.request or '-', field.recording or '-'])} |"


def _source(source: str) -> str:
    if not source:
        return "-"
    if is_copied(source):
        return f"`{source}`"
    return "from " + ", ".join(f"`{path}`" for path in source.removeprefix("from ").split(", "))


if __name__ == "__main__":
    sys.stdout.write(visitor_markdown())
