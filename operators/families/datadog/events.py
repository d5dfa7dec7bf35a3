"""What Datadog's event types stand for; an event of any other type is refused."""

from schemas.items import LINE_KINDS, Kind

VIEW_UPDATE = "view_update"
KINDS = LINE_KINDS | {VIEW_UPDATE: Kind.VIEW, "vital": Kind.NOTE}
