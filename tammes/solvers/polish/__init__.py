"""The exact polish: from near a local maximum of the minimal angle onto it."""
