"""How Sentry's replay records: rrweb 2 events, in segments that are numbered over all pages of a browser tab."""

from operators.families.sentry.records import open_segment, segment_parts
from operators.replay.inputs import INCREMENTAL, has_input_source
from operators.replay.recording import Recording
from schemas.items import Family

RECORDING = Recording(
    number=Family.SENTRY,
    name="sentry",
    read=segment_parts,
    read_usual=open_segment,
    inputs={INCREMENTAL: has_input_source},
    numbers_segments=True,
    names_views=False,
    min_match=None,  # pictures of canvases, as in any rrweb recording
)
