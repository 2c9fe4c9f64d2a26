"""Measurements: each module prints its figures, the alternative of the same run, and the goal."""
