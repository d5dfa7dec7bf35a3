"""What the vendors' dictionaries name and what becomes of it, written down by hand, apart from the project's tables.

Each attribute: column and kind of value. Kinds: text, json (text of a structure), ns, ms, bytes, count (whole numbers),
flag, ratio (a float), time (epoch ms, a timestamp), ms_as_ns.
"""

Attributes = dict[str, tuple[str, str]]  # path on the wire -> (column, kind)


def _named(kind: str, names: str) -> Attributes:
    """Attributes that are columns of the same name."""
    return {name: (name, kind) for name in names.split()}


def _paths(kind: str, pairs: str) -> Attributes:
    """Attributes as `path=column`."""
    return {path: (column, kind) for path, column in (pair.split("=") for pair in pairs.split())}


_GUANCE_COMMON = (
    _named(
        "text",
        """sdk_name sdk_version app_id env service version source userid user_email user_name session_id session_type
        session_sampling is_signin os os_version os_version_major browser browser_version browser_version_major
        screen_size network_type time_zone device view_id view_referrer view_url view_host view_path view_name
        view_path_group action_id ip city province country isp country_iso_code""",
    )
    | _named("json", "view_url_query action_ids display custom_keys")
    | _named("flag", "view_in_foreground session_has_replay is_login")
    | _named("ratio", "session_sample_rate session_replay_sample_rate")
    | _named("ratio", "session_on_error_sample_rate session_replay_on_error_sample_rate")
    | _named("ms", "drift")
)

GUANCE: dict[str, Attributes] = {
    "view": _named("text", "view_loading_type view_apdex_level view_privacy_replay_level")
    | _named("text", "largest_contentful_paint_element_selector cumulative_layout_shift_target_selector")
    | _named("text", "first_input_target_selector interaction_to_next_paint_target_selector")
    | _named(
        "flag", "sampled_for_replay sampled_for_error_replay sampled_for_error_session is_active session_is_active"
    )
    | _named("time", "session_error_timestamp")
    | _named("json", "session_replay_stats custom_timings page_states")
    | _named("count", "view_error_count view_resource_count view_long_task_count view_action_count frustration_count")
    | _named("ratio", "cumulative_layout_shift")
    | _named("ms_as_ns", "cumulative_layout_shift_time")
    | _named(
        "ns",
        """time_spent first_contentful_paint largest_contentful_paint first_input_delay first_input_time
        interaction_to_next_paint loading_time dom_interactive dom_content_loaded dom_complete load_event
        first_paint_time resource_load_time time_to_interactive dom dom_ready first_byte""",
    ),
    "resource": _named(
        "text",
        """trace_id span_id resource_id resource_status resource_status_group resource_method provider_type
        provider_name
        resource_url resource_url_host resource_url_path resource_url_path_group resource_delivery_type resource_type
        resource_protocol resource_render_blocking_status""",
    )
    | _named("bytes", "resource_size resource_encode_size resource_decode_size resource_transfer_size")
    | _named("ns", "duration resource_dns resource_tcp resource_ssl resource_ttfb resource_trans resource_redirect")
    | _named("ns", "resource_first_byte")
    | _named("json", "resource_url_query resource_dns_time resource_download_time resource_first_byte_time")
    | _named("json", "resource_connect_time resource_ssl_time resource_redirect_time"),
    "error": _named(
        "text", "error_id trace_id span_id error_source error_type error_handling error_message error_stack"
    )
    | _named("text", "error_handling_stack error_stack_source_base64")
    | _named("json", "error_causes"),
    "long_task": _named("text", "long_task_id")
    | _named("ns", "duration blocking_duration first_ui_event_timestamp render_start style_and_layout_start")
    | _named("ns", "long_task_start_time")
    | _named("json", "scripts"),
    "action": _named("text", "action_type action_name")
    | _named("ns", "duration")
    | _named("count", "action_error_count action_resource_count action_long_task_count")
    | _named("json", "action_frustration_types action_target action_position"),
}
GUANCE = {measurement: _GUANCE_COMMON | own for measurement, own in GUANCE.items()}

_DATADOG_COMMON = (
    _paths(
        "text",
        """application.id=app_id session.id=session_id session.type=session_type view.id=view_id view.url=view_url
        view.referrer=view_referrer view.name=view_name service=service version=version source=source
        _dd.sdk_name=sdk_name usr.name=user_name usr.email=user_email device.time_zone=time_zone
        connectivity.effective_type=network_type""",
    )
    | _paths("flag", "session.has_replay=session_has_replay view.in_foreground=view_in_foreground")
    | _paths("ratio", "_dd.configuration.session_sample_rate=session_sample_rate")
    | _paths("ratio", "_dd.configuration.session_replay_sample_rate=session_replay_sample_rate")
    | _paths("ms", "_dd.drift=drift")
    | _paths("json", "display=display")
)

DATADOG: dict[str, Attributes] = {
    "view": _paths("text", "view.loading_type=view_loading_type privacy.replay_level=view_privacy_replay_level")
    | _paths("flag", "view.is_active=is_active session.is_active=session_is_active")
    | _paths("flag", "session.sampled_for_replay=sampled_for_replay")
    | _paths("count", "_dd.document_version=document_version view.error.count=view_error_count")
    | _paths("count", "view.resource.count=view_resource_count view.long_task.count=view_long_task_count")
    | _paths("count", "view.action.count=view_action_count view.frustration.count=frustration_count")
    | _paths("json", "_dd.page_states=page_states _dd.replay_stats=session_replay_stats")
    | _paths("json", "view.custom_timings=custom_timings")
    | _paths("ratio", "view.cumulative_layout_shift=cumulative_layout_shift")
    | _paths(
        "ns",
        """view.time_spent=time_spent view.loading_time=loading_time view.first_byte=first_byte
        view.first_contentful_paint=first_contentful_paint view.largest_contentful_paint=largest_contentful_paint
        view.cumulative_layout_shift_time=cumulative_layout_shift_time view.first_input_delay=first_input_delay
        view.first_input_time=first_input_time view.interaction_to_next_paint=interaction_to_next_paint
        view.dom_interactive=dom_interactive view.dom_content_loaded=dom_content_loaded view.dom_complete=dom_complete
        view.load_event=load_event""",
    )
    | _paths(
        "text",
        """view.largest_contentful_paint_target_selector=largest_contentful_paint_element_selector
        view.cumulative_layout_shift_target_selector=cumulative_layout_shift_target_selector
        view.first_input_target_selector=first_input_target_selector
        view.interaction_to_next_paint_target_selector=interaction_to_next_paint_target_selector""",
    ),
    "action": _paths("text", "action.id=action_id action.type=action_type action.target.name=action_name")
    | _paths("ns", "action.loading_time=duration")
    | _paths("count", "action.error.count=action_error_count action.resource.count=action_resource_count")
    | _paths("count", "action.long_task.count=action_long_task_count")
    | _paths("json", "action.frustration.type=action_frustration_types _dd.action.target=action_target")
    | _paths("json", "_dd.action.position=action_position"),
    "error": _paths(
        "text",
        """error.id=error_id error.source=error_source error.type=error_type error.handling=error_handling
        error.message=error_message error.stack=error_stack error.handling_stack=error_handling_stack
        _dd.trace_id=trace_id _dd.span_id=span_id""",
    )
    | _paths("json", "error.causes=error_causes action.id=action_ids"),
    "resource": _paths(
        "text",
        """resource.id=resource_id resource.type=resource_type resource.method=resource_method resource.url=resource_url
        resource.protocol=resource_protocol resource.delivery_type=resource_delivery_type
        resource.render_blocking_status=resource_render_blocking_status resource.provider.type=provider_type
        resource.provider.name=provider_name _dd.trace_id=trace_id _dd.span_id=span_id""",
    )
    | _paths("bytes", "resource.size=resource_size resource.encoded_body_size=resource_encode_size")
    | _paths("bytes", "resource.decoded_body_size=resource_decode_size resource.transfer_size=resource_transfer_size")
    | _paths("ns", "resource.duration=duration")
    | _paths(
        "json", "resource.dns=resource_dns_time resource.connect=resource_connect_time resource.ssl=resource_ssl_time"
    )
    | _paths("json", "resource.first_byte=resource_first_byte_time resource.download=resource_download_time")
    | _paths("json", "resource.redirect=resource_redirect_time action.id=action_ids"),
    "long_task": _paths("text", "long_task.id=long_task_id")
    | _paths("ns", "long_task.duration=duration long_task.blocking_duration=blocking_duration")
    | _paths(
        "ns", "long_task.first_ui_event_timestamp=first_ui_event_timestamp long_task.start_time=long_task_start_time"
    )
    | _paths("ns", "long_task.render_start=render_start long_task.style_and_layout_start=style_and_layout_start")
    | _paths("json", "long_task.scripts=scripts action.id=action_ids"),
}
DATADOG = {kind: _DATADOG_COMMON | own for kind, own in DATADOG.items()}

_POSTHOG_COMMON = _paths(
    "text",
    """properties.token=app_id properties.$session_id=session_id properties.$pageview_id=view_id
    properties.$lib=sdk_name
    properties.$lib_version=sdk_version properties.distinct_id=userid properties.$os=os
    properties.$os_version=os_version properties.$browser=browser properties.$device_type=device
    properties.$timezone=time_zone properties.$ip=ip properties.$current_url=view_url""",
)
POSTHOG: dict[str, Attributes] = {
    "view": _POSTHOG_COMMON | _paths("ratio", "properties.$web_vitals_CLS_value=cumulative_layout_shift"),
    "action": _POSTHOG_COMMON,
    "error": _POSTHOG_COMMON | _paths("text", "properties.$exception_stack_trace_raw=error_stack"),
}
DICTIONARIES = {"guance": GUANCE, "datadog": DATADOG, "posthog": POSTHOG}

# Columns that are worked out of an attribute which is no column itself, or of several.
DERIVED = {
    "guance": "",
    "datadog": """env sdk_version userid is_signin action_id view_host view_path view_path_group view_url_query
        os os_version os_version_major browser browser_version browser_version_major device screen_size
        resource_url_host resource_url_path resource_url_path_group resource_url_query resource_status
        resource_status_group resource_dns resource_tcp resource_ssl resource_ttfb resource_first_byte resource_trans
        resource_redirect""",
    "posthog": """time_spent is_signin browser_version browser_version_major screen_size view_referrer view_host
        view_path
        view_path_group view_url_query action_id action_type action_name action_frustration_types error_id error_type
        error_message error_handling largest_contentful_paint first_contentful_paint interaction_to_next_paint""",
}
# Attributes that are used up for a column of `DERIVED`, or say what `time` and the table say.
CONSUMED = {
    "guance": "",
    "datadog": "type date resource.status_code usr.id usr.anonymous_id",
    "posthog": """event uuid timestamp properties.$time properties.$event_type properties.$el_text
        properties.$is_identified
        properties.$browser_version properties.$screen_width properties.$screen_height properties.$referrer
        properties.$prev_pageview_id properties.$prev_pageview_duration properties.$web_vitals_LCP_value
        properties.$web_vitals_FCP_value properties.$web_vitals_INP_value""",
}
COMPUTED = """app_id session_id session_part revision time received_at custom view_index is_entry is_exit
    previous_view_path
    next_view_path active_time idle_time last_interaction_at rage_click_count dead_click_count error_click_count
    slow_resource_count error_fingerprint is_slow sdk_family from_recording retention dt"""
