"""What posthog-js asks before it records: remote configuration and flags. The least that lets it start.

It takes a feature for switched off unless the answer says otherwise. Only the recording is on.
"""

import json

_RECORDING = {
    "endpoint": "/s/",
    "consoleLogRecordingEnabled": True,
    "recorderVersion": "v2",
    "sampleRate": None,
    "minimumDurationMilliseconds": None,
}
_CONFIG = {
    "supportedCompression": ["gzip", "gzip-js"],
    "sessionRecording": _RECORDING,
    "autocapture_opt_out": False,
    "captureDeadClicks": False,
    "capturePerformance": {"web_vitals": True, "network_timing": True},
    "heatmaps": False,
    "surveys": False,
    "defaultIdentifiedOnly": True,
    "isAuthenticated": False,
    "toolbarParams": {},
    "siteApps": [],
    "hasFeatureFlags": False,
}
_FLAGS = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
    "requestId": "replay-lake",
}
_CONFIG_JSON = json.dumps(_CONFIG).encode()
_FLAGS_JSON = json.dumps({**_CONFIG, **_FLAGS}).encode()


def start_answer(route: str) -> bytes | None:
    """The JSON for a route without its last slash; None when posthog-js asks nothing there."""
    if route in {"/flags", "/decide"}:
        return _FLAGS_JSON
    if route.startswith("/array/") and route.endswith("/config"):
        return _CONFIG_JSON
    return None
