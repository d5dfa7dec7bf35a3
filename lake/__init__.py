"""Reading a lake back: rows, blobs, open sessions, export, verification."""
