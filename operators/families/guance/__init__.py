"""Guance and DataFlux: line protocol or JSON, and segments of trees."""
