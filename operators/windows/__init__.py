"""Session windows: the rules, and the state of the sessions that are open or remembered."""
