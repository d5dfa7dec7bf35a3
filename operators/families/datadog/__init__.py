"""The Datadog browser SDK: RUM events as NDJSON, and segments of trees or changes."""
