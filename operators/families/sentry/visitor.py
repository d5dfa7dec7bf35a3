"""What a line of Sentry says of the visitor and the page, as columns that every table has."""

from operators.client.user_agent import client_of_user_agent
from operators.families.sentry.lines import About
from operators.families.sentry.times import stamp_us
from operators.rows.paths import child
from operators.rows.values import Attributes, Row, keep, text_of_id
from schemas.items import Client

_USER = {"id": "userid", "email": "user_email", "username": "user_name", "name": "user_name", "ip_address": "ip"}
_GEO = {"city": "city", "country_code": "country_iso_code", "region": "country", "subdivision": "province"}
_SERVER_FILLS = "{{"  # `{{auto}}`: Sentry's server shall put the address in
_ATTRIBUTES = {
    "env": ("sentry.environment", "environment"),
    "version": ("sentry.release", "release"),
    "sdk_name": ("sentry.sdk.name",),
    "sdk_version": ("sentry.sdk.version",),
    "time_zone": ("culture.timezone",),
    "network_type": ("network.connection.effective_type", "effectiveConnectionType"),
}
_NETWORK_TAG = "effectiveConnectionType"  # SDK 7
_OWN_TAGS = ("replayId", _NETWORK_TAG)
_OWN_CONTEXTS = ("trace", "culture", "replay")  # the rest was set by the page or tells of the event


def read_around(about: About, row: Row) -> None:
    """What the envelope or the transaction says; what the line itself says is read after it."""
    said = {
        "sdk_name": about.sdk_name,
        "sdk_version": about.sdk_version,
        "env": about.environment,
        "version": about.release,
        "view_url": about.url,
    }
    row.update({column: text for column, text in said.items() if text})
    row["source"] = "browser"
    _read_user(dict(about.user), row)


def read_event(event: Attributes, row: Row, custom: dict[str, str]) -> None:
    """What events of every type have."""
    contexts, request = child(event, "contexts"), child(event, "request")
    at_us = stamp_us(event.get("timestamp"))
    if at_us is not None:
        row["time"] = at_us
    tags = child(event, "tags")
    found = {
        "view_id": child(contexts, "trace").get("trace_id"),
        "view_url": request.get("url"),
        "view_referrer": child(request, "headers").get("Referer"),
        "view_name": event.get("transaction"),
        "time_zone": child(contexts, "culture").get("timezone"),
        "network_type": tags.get(_NETWORK_TAG),
    }
    row.update({column: text for column, value in found.items() if (text := text_of_id(value))})
    _read_user(child(event, "user"), row)
    for name, value in tags.items():
        if name not in _OWN_TAGS:
            keep(custom, f"tags.{name}", value)
    for name, value in contexts.items():
        if name not in _OWN_CONTEXTS:
            keep(custom, f"contexts.{name}", value)


def read_attributes(read: Attributes, attributes: Attributes, row: Row) -> None:
    """What spans, logs and metrics have; the view is the trace."""
    if trace_id := text_of_id(read.get("trace_id")):
        row["view_id"] = trace_id
    for column, names in _ATTRIBUTES.items():
        found = next((text for name in names if (text := text_of_id(attributes.get(name)))), "")
        if found:
            row[column] = found
    for name in _ATTRIBUTES["network_type"]:
        attributes.pop(name, None)
    user = {name.removeprefix("user."): value for name, value in attributes.items() if name.startswith("user.")}
    _read_user({"ip_address": attributes.get("client.address"), **user}, row)


def client_of(payload: Attributes) -> Client | None:
    """The browser, by its User-Agent: of an event, beside the page's address; of a span or log, an attribute."""
    headers = child(child(payload, "request"), "headers")
    attribute = child(child(payload, "attributes"), "user_agent.original")
    return client_of_user_agent(text_of_id(headers.get("User-Agent")) or text_of_id(attribute.get("value")))


def _read_user(user: Attributes, row: Row) -> None:
    for name, column in _USER.items():
        text = text_of_id(user.get(name))
        if text and not text.startswith(_SERVER_FILLS):
            row[column] = text
    if not row.keys().isdisjoint(("userid", "user_email", "user_name")):
        row["is_signin"] = "T"
    geo = child(user, "geo")
    row.update({column: text for name, column in _GEO.items() if (text := text_of_id(geo.get(name)))})
