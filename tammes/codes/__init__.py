"""Spherical codes measured: angles, contacts, stress, local optimality, isometry, exact certificates."""
