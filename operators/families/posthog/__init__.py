"""posthog-js, and batches of plain rrweb events; on disk and in Kafka both are named rrweb."""
