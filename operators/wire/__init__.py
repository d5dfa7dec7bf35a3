"""Reading bytes of strangers: compression, JSON, multipart, UTF-8, and why something is refused."""
