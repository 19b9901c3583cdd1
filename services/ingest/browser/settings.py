"""What analytics.js and RudderStack's SDK ask for when a page loads: where to send, and to whom else. Pure.

The shapes are what the SDKs read (`CDNSettings` of @segment/analytics-next, `SourceConfigResponse` of
@rudderstack/analytics-js): there is one destination, which is us, and no numbers about the SDK itself are sent.
"""

from __future__ import annotations

from typing import Any

EVERYTHING = {"__default": {"enabled": True, "integrations": {}}}


def segment_settings(write_key: str, api_url: str) -> dict[str, Any]:
    """`api_url`: of this service, as a browser sees it, without a slash at its end."""
    protocol, _, host = api_url.partition("://")
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{host}/v1",
                "protocol": protocol,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
            }
        },
        "plan": {"track": EVERYTHING, "identify": EVERYTHING, "group": EVERYTHING},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


def rudderstack_source(write_key: str, name: str, api_url: str) -> dict[str, Any]:
    """`name`: of the source."""
    return {
        "source": {
            "id": name,
            "name": name,
            "writeKey": write_key,
            "enabled": True,
            "workspaceId": "tasuki",
            "config": {
                "statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}},
            },
            "destinations": [],
            "dataplanes": {},
        },
        "dataPlaneUrl": api_url,
        "isHosted": True,
    }
