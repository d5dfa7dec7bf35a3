"""From replay segments to a blob: scanned, ordered, cut, framed, indexed, styles shared."""
