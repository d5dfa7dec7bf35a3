"""How it is wired: settings, sources, the dataflow, the command line."""
