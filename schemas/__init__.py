"""What the data is: units, items, tables, blob and pack formats, object keys, retention classes."""
