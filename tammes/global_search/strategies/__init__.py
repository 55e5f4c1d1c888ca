"""Strategies of the global search: what to try next."""
