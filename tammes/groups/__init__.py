"""Finite groups of orthogonal matrices, their orbits, and a catalogue of them by name."""
