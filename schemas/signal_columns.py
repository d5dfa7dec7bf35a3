"""Columns of signals: what is worked out from a whole window and not sent by any SDK. Definitions: docs/signals.md."""

from schemas.fields import added, computed, labelled

SESSION_SIGNALS = added(
    2,
    computed("idle_time", "int64", "Pauses of more than a minute without a sign of the visitor", "ns"),
    computed("is_bounce", "bool", "One view and nothing done on it; null without a view"),
    labelled("LCP, worst", computed("lcp_worst", "int64", "Largest LCP of its views", "ns")),
    labelled(
        "LCP, 75th percentile", computed("lcp_p75", "int64", "LCP that three of four of its views do not exceed", "ns")
    ),
    labelled("INP, worst", computed("inp_worst", "int64", "Largest INP of its views", "ns")),
    labelled(
        "INP, 75th percentile", computed("inp_p75", "int64", "INP that three of four of its views do not exceed", "ns")
    ),
    labelled("CLS, worst", computed("cls_worst", "double", "Largest CLS of its views", "ratio")),
    labelled(
        "CLS, 75th percentile",
        computed("cls_p75", "double", "CLS that three of four of its views do not exceed", "ratio"),
    ),
    computed("slow_resource_count", "int64", "Resources that took more than a second", "count"),
    computed("error_group_count", "int64", "Different errors, by `error_fingerprint`", "count"),
)

VIEW_SIGNALS = added(
    2,
    computed("view_index", "int64", "Place among the views of its window, from 0"),
    computed("is_entry", "bool", "The first view of its window"),
    computed("is_exit", "bool", "The last view of its window"),
    computed("previous_view_path", "string", "Path of the view before it; null for the first"),
    computed("next_view_path", "string", "Path of the view after it; null for the last"),
    computed("active_time", "int64", "Time on the view in which the visitor was active", "ns"),
    computed("idle_time", "int64", "Pauses of more than a minute on the view without a sign of the visitor", "ns"),
    computed("last_interaction_at", "timestamp", "Last thing the visitor did on it, client clock"),
    computed("rage_click_count", "int64", "Its actions with a rage click", "count"),
    computed("dead_click_count", "int64", "Its actions with a dead click", "count"),
    computed("error_click_count", "int64", "Its actions with an error click", "count"),
    computed("slow_resource_count", "int64", "Its resources that took more than a second", "count"),
)

ERROR_SIGNALS = added(
    2, computed("error_fingerprint", "string", "The same for errors of one group: type, message and stack without ids")
)

RESOURCE_SIGNALS = added(2, computed("is_slow", "bool", "Took more than a second"))
