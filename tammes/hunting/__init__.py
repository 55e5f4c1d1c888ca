"""How good codes are hunted and kept: starts, moves, the archive."""
