"""The data dictionary of the five RUM measurements: what each has besides the columns common to all lines.

Names are those of the Guance SDK 3; SDK 2 sends some of the resource columns as tags, under the same names.
"""

from schemas.fields import Field, count, flag, json_text, nanoseconds, ratio, size_bytes, text

VIEW_STATE = (
    nanoseconds(
        "time_spent",
        "Time on the view up to this state",
        "view.time_spent",
        "from properties.$prev_pageview_duration",
        sentry="from the start of the next view",
    ),
    Field("document_version", "int64", "", "Number of this state of the view", "", "_dd.document_version", ""),
    flag("is_active", "The view was still shown", "view.is_active"),
    flag("session_is_active", "False: the SDK ended the session with this line", "session.is_active"),
    text("view_loading_type", "`initial_load` or `route_change`", "view.loading_type", sentry="from op"),
    text("view_apdex_level", "Apdex class of the load, 0 to 9"),
    text("view_privacy_replay_level", "Masking of the recording", "privacy.replay_level"),
    flag("sampled_for_replay", "Chosen for recording", "session.sampled_for_replay"),
    flag("sampled_for_error_replay", "Chosen for recording from the first error on"),
    flag("sampled_for_error_session", "Kept because of an error"),
    Field(
        "session_error_timestamp",
        "timestamp",
        "",
        "First error of a session kept for it",
        "session_error_timestamp",
        "",
        "",
    ),
    json_text("session_replay_stats", "Records and segments the SDK made for the view", "_dd.replay_stats"),
    json_text(
        "page_states", "Active, passive, hidden, frozen: since when, in ns from the view's start", "_dd.page_states"
    ),
    json_text("custom_timings", "Timings set by the page, in ns from the view's start", "view.custom_timings"),
)

VIEW_COUNTS = (
    count("view_error_count", "Errors so far, as the SDK counts", "view.error.count"),
    count("view_resource_count", "Resources so far, as the SDK counts", "view.resource.count"),
    count("view_long_task_count", "Long tasks so far, as the SDK counts", "view.long_task.count"),
    count("view_action_count", "Actions so far, as the SDK counts", "view.action.count"),
    count("frustration_count", "Signs of frustration so far, as the SDK counts", "view.frustration.count"),
)

VIEW_TIMINGS = (
    nanoseconds(
        "loading_time",
        "Until the page was quiet",
        "view.loading_time",
        sentry="from start_timestamp, end_timestamp, timestamp",
    ),
    nanoseconds(
        "first_contentful_paint",
        "FCP",
        "view.first_contentful_paint",
        "from properties.$web_vitals_FCP_value",
        sentry="from measurements.fcp, browser.web_vital.fcp.value",
    ),
    nanoseconds(
        "largest_contentful_paint",
        "LCP",
        "view.largest_contentful_paint",
        "from properties.$web_vitals_LCP_value",
        sentry="from measurements.lcp, browser.web_vital.lcp.value",
    ),
    text(
        "largest_contentful_paint_element_selector",
        "Element of the LCP",
        "view.largest_contentful_paint_target_selector",
        sentry="from browser.web_vital.lcp.element, lcp.element",
    ),
    ratio(
        "cumulative_layout_shift",
        "CLS",
        "view.cumulative_layout_shift",
        "properties.$web_vitals_CLS_value",
        sentry="from measurements.cls, browser.web_vital.cls.value",
    ),
    Field(
        "cumulative_layout_shift_time",
        "int64",
        "ns",
        "When the largest shift came",
        "from cumulative_layout_shift_time",  # the one time that this SDK leaves in ms
        "view.cumulative_layout_shift_time",
        "",
    ),
    text(
        "cumulative_layout_shift_target_selector",
        "Element of it",
        "view.cumulative_layout_shift_target_selector",
        sentry="from browser.web_vital.cls.source.1, cls.source.1",
    ),
    nanoseconds(
        "first_input_delay",
        "FID",
        "view.first_input_delay",
        sentry="from measurements.fid, browser.web_vital.fid.value",
    ),
    nanoseconds("first_input_time", "When the first input came", "view.first_input_time"),
    text("first_input_target_selector", "Element of it", "view.first_input_target_selector"),
    nanoseconds(
        "interaction_to_next_paint",
        "INP",
        "view.interaction_to_next_paint",
        "from properties.$web_vitals_INP_value",
        sentry="from measurements.inp, browser.web_vital.inp.value",
    ),
    text(
        "interaction_to_next_paint_target_selector",
        "Element of it",
        "view.interaction_to_next_paint_target_selector",
        sentry="from browser.web_vital.inp.target, description",
    ),
    nanoseconds(
        "first_byte",
        "First byte of the page",
        "view.first_byte",
        sentry="from measurements.ttfb, browser.web_vital.ttfb.value",
    ),
    nanoseconds("first_paint_time", "First paint", sentry="from measurements.fp, browser.web_vital.fp.value"),
    nanoseconds("time_to_interactive", "Page could be used"),
    nanoseconds("dom", "Parsing of the document"),
    nanoseconds("dom_ready", "Document ready"),
    nanoseconds("dom_interactive", "`domInteractive`", "view.dom_interactive"),
    nanoseconds("dom_content_loaded", "`domContentLoaded`", "view.dom_content_loaded"),
    nanoseconds("dom_complete", "`domComplete`", "view.dom_complete"),
    nanoseconds("load_event", "`loadEvent`", "view.load_event"),
    nanoseconds("resource_load_time", "Loading of the page's resources"),
)

ACTION = (
    text(
        "action_type",
        "`click`, `custom`, ...",
        "action.type",
        "from event, properties.$event_type",
        sentry="from type, the recording",
    ),
    text(
        "action_name",
        "What was clicked, or the name the page gave",
        "action.target.name",
        "from event, properties.$el_text",
        sentry="from contexts.feedback.message, the recording",
    ),
    nanoseconds("duration", "Until the page was quiet; null if nothing happened", "action.loading_time"),
    count("action_error_count", "Errors it led to", "action.error.count"),
    count("action_resource_count", "Resources it led to", "action.resource.count"),
    count("action_long_task_count", "Long tasks it led to", "action.long_task.count"),
    json_text(
        "action_frustration_types",
        "`rage_click`, `dead_click`, `error_click`",
        "action.frustration.type",
        "from event",
        sentry="from the recording",
    ),
    json_text("action_target", "Element: selector, size", "_dd.action.target", sentry="from the recording"),
    json_text("action_position", "Where in the element, in pixels", "_dd.action.position"),
)

_TRACE = (
    text("trace_id", "Trace of the request", "_dd.trace_id", sentry="from trace_id, contexts.trace.trace_id"),
    text("span_id", "Span of the request", "_dd.span_id", sentry="from span_id, contexts.trace.span_id"),
)

ERROR = (
    text("error_id", "Error", "error.id", "from uuid", sentry="event_id"),
    *_TRACE,
    text(
        "error_source",
        "`source`, `console`, `network`, `custom`, ...",
        "error.source",
        sentry="from exception.values.mechanism.type",
    ),
    text(
        "error_type",
        "Class of the error",
        "error.type",
        "from properties.$exception_type, properties.$exception_list",
        sentry="from exception.values.type",
    ),
    text(
        "error_handling",
        "`handled` or `unhandled`",
        "error.handling",
        "from properties.$exception_list",
        sentry="from exception.values.mechanism.handled",
    ),
    text(
        "error_message",
        "Message",
        "error.message",
        "from properties.$exception_message, properties.$exception_list",
        sentry="from exception.values.value, message",
    ),
    text(
        "error_stack",
        "Stack",
        "error.stack",
        "properties.$exception_stack_trace_raw",
        sentry="from exception.values.stacktrace.frames",
    ),
    json_text("error_causes", "Errors behind it", "error.causes", sentry="from exception.values"),
    text("error_handling_stack", "Stack of the place that reported it", "error.handling_stack"),
    text("error_stack_source_base64", "Source lines, base64, where the intake had a source map"),
)

RESOURCE = (
    text("resource_id", "Resource", "resource.id", sentry="span_id"),
    *_TRACE,
    text("resource_type", "`fetch`, `xhr`, `image`, `js`, ...", "resource.type", sentry="from op, type"),
    text("resource_method", "HTTP method", "resource.method", sentry="from http.request.method, http.method"),
    text(
        "resource_status",
        "HTTP status; null if there was no answer",
        "from resource.status_code",
        sentry="from http.response.status_code",
    ),
    text(
        "resource_status_group",
        "Its class, for example `2xx`",
        "from resource.status_code",
        sentry="from http.response.status_code",
    ),
    text("resource_url", "Address", "resource.url", sentry="from url.full, url, description"),
    text(
        "resource_url_host", "Host of it, without port", "from resource.url", sentry="from url.full, url, description"
    ),
    text("resource_url_path", "Path of it", "from resource.url", sentry="from url.full, url, description"),
    text(
        "resource_url_path_group",
        "The path, segments with a digit as `?`",
        "from resource.url",
        sentry="from url.full, url, description",
    ),
    json_text(
        "resource_url_query", "Query parameters of it", "from resource.url", sentry="from url.full, url, description"
    ),
    text(
        "resource_protocol",
        "Protocol, for example `h2`",
        "resource.protocol",
        sentry="from network.protocol.name, network.protocol.version",
    ),
    text(
        "resource_delivery_type",
        "`cache`, `navigational-prefetch`, `other`",
        "resource.delivery_type",
        sentry="from http.response_delivery_type",
    ),
    text(
        "resource_render_blocking_status",
        "`blocking` or `non-blocking`",
        "resource.render_blocking_status",
        sentry="from resource.render_blocking_status",
    ),
    text("provider_type", "Kind of third party", "resource.provider.type"),
    text("provider_name", "Third party", "resource.provider.name"),
    nanoseconds(
        "duration", "From start to end", "resource.duration", sentry="from start_timestamp, end_timestamp, timestamp"
    ),
    size_bytes(
        "resource_size",
        "Decoded body",
        "resource.size",
        sentry="from http.response.body.decoded_size, http.decoded_response_content_length",
    ),
    size_bytes(
        "resource_encode_size",
        "Encoded body",
        "resource.encoded_body_size",
        sentry="from http.response.body.size, http.response_content_length",
    ),
    size_bytes(
        "resource_decode_size",
        "Decoded body",
        "resource.decoded_body_size",
        sentry="from http.response.body.decoded_size, http.decoded_response_content_length",
    ),
    size_bytes(
        "resource_transfer_size",
        "With headers; 0 if cached",
        "resource.transfer_size",
        sentry="from http.response.size, http.response_transfer_size",
    ),
    nanoseconds(
        "resource_dns",
        "Name lookup",
        "from resource.dns.duration",
        sentry="from http.request.domain_lookup_start, http.request.domain_lookup_end",
    ),
    nanoseconds(
        "resource_tcp",
        "Connecting",
        "from resource.connect.duration",
        sentry="from http.request.connect_start, http.request.connection_end",
    ),
    nanoseconds(
        "resource_ssl",
        "TLS handshake",
        "from resource.ssl.duration",
        sentry="from http.request.secure_connection_start, http.request.connection_end",
    ),
    nanoseconds(
        "resource_ttfb",
        "Request to first byte",
        "from resource.first_byte.duration",
        sentry="from http.request.request_start, http.request.response_start",
    ),
    nanoseconds(
        "resource_trans",
        "Download",
        "from resource.download.duration",
        sentry="from http.request.response_start, http.request.response_end",
    ),
    nanoseconds(
        "resource_redirect",
        "Redirects",
        "from resource.redirect.duration",
        sentry="from http.request.redirect_start, http.request.redirect_end",
    ),
    nanoseconds(
        "resource_first_byte",
        "Request to first byte",
        "from resource.first_byte.duration",
        sentry="from http.request.request_start, http.request.response_start",
    ),
    json_text("resource_dns_time", "`duration` and `start` in ns", "resource.dns"),
    json_text("resource_connect_time", "`duration` and `start` in ns", "resource.connect"),
    json_text("resource_ssl_time", "`duration` and `start` in ns", "resource.ssl"),
    json_text("resource_first_byte_time", "`duration` and `start` in ns", "resource.first_byte"),
    json_text("resource_download_time", "`duration` and `start` in ns", "resource.download"),
    json_text("resource_redirect_time", "`duration` and `start` in ns", "resource.redirect"),
)

LONG_TASK = (
    text("long_task_id", "Long task", "long_task.id", sentry="span_id"),
    nanoseconds(
        "duration", "From start to end", "long_task.duration", sentry="from start_timestamp, end_timestamp, timestamp"
    ),
    nanoseconds("blocking_duration", "Of it, without reaction to input", "long_task.blocking_duration"),
    nanoseconds(
        "first_ui_event_timestamp", "First input in it, from the view's start", "long_task.first_ui_event_timestamp"
    ),
    nanoseconds("render_start", "Rendering began, from the view's start", "long_task.render_start"),
    nanoseconds("style_and_layout_start", "Layout began, from the view's start", "long_task.style_and_layout_start"),
    nanoseconds("long_task_start_time", "It began, from the view's start", "long_task.start_time"),
    json_text(
        "scripts", "Scripts that ran in it", "long_task.scripts", sentry="from browser.script.invoker, code.file.path"
    ),
)
