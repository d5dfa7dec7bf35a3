"""The reading side: blobs, conversion to rrweb events, export, verification."""
