"""Watching a whole program, and recording some of its steps."""
