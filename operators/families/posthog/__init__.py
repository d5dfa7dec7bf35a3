"""posthog-js: events by name, snapshots as rrweb events."""
