"""Processes that answer HTTP: the intake and the viewer, wired."""
