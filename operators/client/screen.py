"""The size of a screen as its column has it: `width*height`, in pixels of the page."""

_PIXELS_END = 100_000  # no screen is so large


def size_text(width: object, height: object) -> str:
    """Of two numbers, which a zoomed page gives with a fraction; empty for anything else."""
    if type(width) not in (int, float) or type(height) not in (int, float):
        return ""
    if not (1 <= width < _PIXELS_END and 1 <= height < _PIXELS_END):  # type: ignore[operator]  # numbers, see above
        return ""
    return f"{width:.0f}*{height:.0f}"
