"""One file a measurement, each with one function that runs it."""
