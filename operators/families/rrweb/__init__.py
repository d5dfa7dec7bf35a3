"""Plain rrweb batches, as a page's own code sends them."""
