"""Columns that every table of RUM lines has: the envelope, who and where the visitor is, the view, the sampling."""

from schemas.fields import (
    Field,
    added,
    always,
    by_version,
    carried,
    computed,
    flag,
    json_text,
    milliseconds,
    percent,
    text,
    told_by,
)

ENVELOPE = (
    *always(
        text(
            "app_id",
            "Application the line belongs to",
            "application.id",
            "properties.token",
            sentry="from /api/<project>/envelope/, dsn",
        ),
        text(
            "session_id",
            "Session, as the SDK names it",
            "session.id",
            "properties.$session_id",
            sentry="from tags.replayId, sentry.replay_id, trace.replay_id",
        ),
        computed("session_part", "int64", "Window of the session, counted from 0"),
        computed("revision", "int64", "Revision of the window that brought this row; of a view, the highest counts"),
    ),
    text(
        "view_id",
        "View (one page or route) the line belongs to; of a view without one, made here",
        "view.id",
        "properties.$pageview_id",
        sentry="from contexts.trace.trace_id, trace_id",
    ),
    Field(
        "time",
        "timestamp",
        "",
        "Client clock. A view: its start; an action, resource, long task: its beginning; an error: its instant",
        "time",
        "date",
        "from timestamp, properties.$time, properties.$prev_pageview_duration",
        sentry="from timestamp, start_timestamp",
    ),
    *always(computed("received_at", "timestamp", "Receive clock of the intake, earliest copy")),
)

VISITOR = (
    *carried(
        "Application",
        text("env", "Deployment environment", "from ddtags", sentry="from environment, sentry.environment"),
        text("service", "Service or site name given to the SDK", "service"),
        text("version", "Version of the application", "version", sentry="from release, sentry.release"),
        text("source", "Kind of client, `browser` for web SDKs", "source", sentry="from sdk.name"),
        text("sdk_name", "SDK", "_dd.sdk_name", "properties.$lib", sentry="from sdk.name, sentry.sdk.name"),
        text(
            "sdk_version",
            "Version of the SDK",
            "from ddtags",
            "properties.$lib_version",
            sentry="from sdk.version, sentry.sdk.version",
        ),
    ),
    *carried(
        "User",
        text(
            "userid",
            "User id; an anonymous one when nobody is signed in",
            "from usr.id, usr.anonymous_id",
            "properties.distinct_id",
            sentry="user.id",
        ),
        text(
            "user_name",
            "User name",
            "usr.name",
            "from $set.name, properties.$set.name",
            sentry="from user.username, user.name",
        ),
        text(
            "user_email",
            "User mail address",
            "usr.email",
            "from $set.email, properties.$set.email",
            sentry="user.email",
        ),
        text(
            "is_signin",
            "`T` when a user is signed in, else `F`",
            "from usr.id",
            "from properties.$is_identified",
            sentry="from user",
        ),
        how="of the visitor",
    ),
    flag("is_login", "The same as a truth value, newer SDKs"),
    *carried(
        "Session",
        *told_by(
            "User-Agent",
            text("session_type", "`user`, `synthetics` for a scripted test, `bot` for a crawler", "session.type"),
        ),
    ),
    text("session_sampling", "Sampling remark of older SDKs"),
    *carried(
        "Device",
        *told_by(
            "Sec-CH-UA-Platform, Sec-CH-UA-Platform-Version, User-Agent",
            text("os", "Operating system", "", "properties.$os"),
            text("os_version", "Its version", "", "properties.$os_version"),
            text("os_version_major", "Its major version"),
        ),
        *told_by(
            "Sec-CH-UA-Full-Version-List, Sec-CH-UA, User-Agent",
            text("browser", "Browser", "", "properties.$browser"),
            text("browser_version", "Its version", "", "from properties.$browser_version"),
            text("browser_version_major", "Its major version", "", "from properties.$browser_version"),
        ),
        *told_by(
            "Sec-CH-UA-Mobile, User-Agent",
            text("device", "Kind of device, for example `PC` or `Mobile`", "", "properties.$device_type"),
        ),
        *told_by(
            "Sec-CH-Viewport-Width, Sec-CH-Viewport-Height",
            text(
                "screen_size",
                "Screen in pixels, `width*height`; the page's viewport where only that is told",
                "from display.viewport",
                "from properties.$screen_width, properties.$screen_height",
            ),
            recording="`width`, `height` of Meta",
        ),
        text(
            "network_type",
            "Kind of network, `wifi`, or its speed class, `4g`",
            "connectivity.effective_type",
            sentry="from network.connection.effective_type, effectiveConnectionType",
        ),
        text(
            "time_zone",
            "Time zone of the client",
            "device.time_zone",
            "properties.$timezone",
            sentry="from contexts.culture.timezone, culture.timezone",
        ),
    ),
    *carried(
        "Place",
        text(
            "ip",
            "Client address seen by the intake",
            "session.ip",
            "properties.$ip",
            sentry="from user.ip_address, client.address",
        ),
        text(
            "country",
            "Country of the address",
            "geo.country",
            "properties.$geoip_country_name",
            sentry="from user.geo.region",
        ),
    ),
    text(
        "country_iso_code",
        "Its ISO 3166 code",
        "geo.country_iso_code",
        "properties.$geoip_country_code",
        sentry="from user.geo.country_code",
    ),
    *carried(
        "Place",
        text(
            "province",
            "Province of the address",
            "geo.country_subdivision",
            "properties.$geoip_subdivision_1_name",
            sentry="from user.geo.subdivision",
        ),
        text("city", "City of the address", "geo.city", "properties.$geoip_city_name", sentry="user.geo.city"),
        text("isp", "Internet provider of the address", "geo.isp", "properties.$geoip_isp"),
    ),
)

VIEW = (
    text(
        "view_referrer",
        "Page that led to the view",
        "view.referrer",
        "from properties.$referrer",
        sentry="from request.headers.Referer, http.request.header.referer",
    ),
    text("view_url", "Address of the view", "view.url", "properties.$current_url", sentry="from request.url, url.full"),
    text(
        "view_host",
        "Host and port of it",
        "from view.url",
        "from properties.$current_url",
        sentry="from request.url, url.full",
    ),
    text(
        "view_path",
        "Path of it; `/#/...` for a route in the hash",
        "from view.url",
        "from properties.$current_url",
        sentry="from request.url, url.full",
    ),
    text(
        "view_path_group",
        "The path, segments with a digit as `?`",
        "from view.url",
        "from properties.$current_url",
        sentry="from request.url, url.full",
    ),
    json_text(
        "view_url_query",
        "Query parameters of it",
        "from view.url",
        "from properties.$current_url",
        sentry="from request.url, url.full",
    ),
    text(
        "view_name", "Name of the view; its path unless the page names it", "view.name", sentry="from transaction, name"
    ),
    flag("view_in_foreground", "The tab was visible (actions and errors)", "view.in_foreground"),
    json_text("display", "Viewport, on views also scroll depth, in pixels", "display"),
)

SESSION = (
    flag("session_has_replay", "The SDK was recording; null is not no", "session.has_replay"),
    percent("session_sample_rate", "Share of sessions kept", "_dd.configuration.session_sample_rate"),
    percent("session_replay_sample_rate", "Share of them recorded", "_dd.configuration.session_replay_sample_rate"),
    percent("session_on_error_sample_rate", "Share of sessions kept from their first error on"),
    percent("session_replay_on_error_sample_rate", "Share of sessions recorded from their first error on"),
    text(
        "action_id",
        "An action: its id. Other lines: the last action they belong to",
        "from action.id",
        "from uuid",
        sentry="from event_id",
    ),
    json_text("action_ids", "All actions the line belongs to", "from action.id"),
    milliseconds("drift", "Jump of the client clock since the page was loaded", "_dd.drift"),
    json_text("custom_keys", "Names of the attributes that the page itself added"),
)

CUSTOM = Field(
    "custom",
    "map<string,string>",
    "",
    "What was sent and has no column, or does not fit its column's type, by its path; JSON unless it is text",
    "other tags and fields",
    "other attributes, without `_dd`",
    "other attributes",
    "other attributes of a span; `tags`, `contexts`, `extra` of an event",
)


SDK_FAMILY = computed(
    "sdk_family", "string", "Whose SDK it is from: `guance`, `datadog`, `posthog`, `rrweb` or `sentry`"
)

RECORDED = added(
    3,
    SDK_FAMILY,
    computed("from_recording", "bool", "True: no line said it, it was seen in the recording; false: a line of the SDK"),
)


def line_columns(*own: Field, signals: tuple[Field, ...] = ()) -> tuple[Field, ...]:
    """All columns of a line table whose own ones are `own`."""
    return by_version(*ENVELOPE, *VISITOR, *VIEW, *SESSION, *own, CUSTOM, *signals, *RECORDED)
