"""What PostHog's own event names stand for; any other name is an action that the page itself reports."""

from schemas.items import Kind

PAGE_VIEW, PAGE_LEAVE, EXCEPTION = "$pageview", "$pageleave", "$exception"
FRUSTRATIONS = {"$rageclick": '["rage_click"]', "$dead_click": '["dead_click"]'}
CLICKS = frozenset({"$autocapture", *FRUSTRATIONS})
FLAG_CALLED, HEATMAP = "$feature_flag_called", "$$heatmap"
# PostHog's own book-keeping: nothing that the visitor did.
BOOKKEEPING = frozenset(
    {
        *(FLAG_CALLED, "$feature_enrollment_update", "$feature_view", "$experiment_started"),
        *("$identify", "$set", "$set_once", "$unset", "$create_alias", "$merge_dangerously", "$groupidentify"),
        *("$opt_in", "$opt_out", "$performance_event", "$client_ingestion_warning"),
    }
)
_KINDS = {PAGE_VIEW: Kind.VIEW, PAGE_LEAVE: Kind.VIEW, "$web_vitals": Kind.VIEW, EXCEPTION: Kind.ERROR}


def kind_of(event: str) -> Kind:
    """What an event is."""
    return Kind.NOTE if event in BOOKKEEPING else _KINDS.get(event, Kind.ACTION)
