"""How rrweb itself records, alone or inside posthog-js: batches of events of a browser window, without numbers."""

from operators.families.posthog import bodies
from operators.replay.inputs import INCREMENTAL, has_input_source
from operators.replay.recording import Recording
from schemas.items import Family

RECORDING = Recording(
    number=Family.RRWEB,
    name="rrweb",
    read=bodies.read,
    read_usual=bodies.read_usual,
    inputs={INCREMENTAL: has_input_source},
    numbers_segments=False,
    names_views=False,
    min_match=None,  # these hold pictures and compressed texts, in which short matches are many and worth nothing
)
