"""The intake: an HTTP service that SDKs send to, and that says yes only to what Kafka has."""
