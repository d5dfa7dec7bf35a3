"""Rows of tables: values, paths, addresses, error groups, signals, views and the session's own."""
