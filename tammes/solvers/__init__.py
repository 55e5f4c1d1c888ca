"""Solvers: one local method a module; `run` holds what they share."""
