"""Pictures of canvases: how rrweb records a `<canvas>` when it is told to take so many pictures a second.

A change of a canvas (source 9) is then two commands, `clearRect` and `drawImage`, the second with the whole picture:

    {rr_type: "ImageBitmap", args: [{rr_type: "Blob", type: "image/webp", data: [{rr_type: "ArrayBuffer", base64}]}]}

rrweb's `sampling.canvas`, PostHog's and Sentry's canvas recording write this, for 2D and WebGL alike (rrweb
`record/observers/canvas/canvas-manager.ts`). Without that setting every call of the page's script is a command, which
nobody can draw without running scripts in the recorded page.
"""

from operators.rrweb.event import EventType, Source
from operators.rrweb.track import Event


def is_canvas_change(event: Event) -> bool:
    """Whether an event changes what a canvas shows."""
    return bool(event["type"] == EventType.INCREMENTAL and event["data"].get("source") == Source.CANVAS_MUTATION)


def is_picture(event: Event) -> bool:
    """Whether a change of a canvas holds its whole picture, so that a page can show it as an image."""
    commands = event["data"].get("commands")
    if not isinstance(commands, list):
        return False
    drawn = [one for one in commands if isinstance(one, dict) and one.get("property") == "drawImage"]
    return any(_image(one.get("args")) for one in drawn)


def _image(arguments: object) -> bool:
    inside = arguments
    for kind, members in (("ImageBitmap", "args"), ("Blob", "data"), ("ArrayBuffer", "base64")):
        if not isinstance(inside, list) or not inside or not isinstance(inside[0], dict):
            return False
        if inside[0].get("rr_type") != kind:
            return False
        inside = inside[0].get(members)
    return isinstance(inside, str) and bool(inside)
