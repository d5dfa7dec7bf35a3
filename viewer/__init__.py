"""What `replaylake serve` answers: a read-only HTTP API over the lake, and the page that uses it."""
