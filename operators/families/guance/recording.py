"""How the Guance SDK records a page: numbered segments of trees, and records of frustrations made from clicks."""

from operators.families.browser_sdk import bodies
from operators.replay.inputs import INCREMENTAL, has_input_source
from operators.replay.recording import Recording
from schemas.items import Family

_FRUSTRATION = 9  # made from clicks

RECORDING = Recording(
    number=Family.GUANCE,
    name="guance",
    read=bodies.read,
    read_usual=bodies.read_usual,
    inputs={INCREMENTAL: has_input_source, _FRUSTRATION: lambda _: True},
    numbers_segments=True,
    names_views=True,
    min_match=bodies.MIN_MATCH,
)
