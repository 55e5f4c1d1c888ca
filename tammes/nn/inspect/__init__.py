"""Saved networks, measured layer by layer."""
