"""The player's format: events, nodes, and the gate that lets only playable ones through."""
