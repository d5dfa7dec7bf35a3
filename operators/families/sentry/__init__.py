"""Sentry's `@sentry/browser` 7 to 11: envelopes of errors, spans, logs and replay segments."""
