"""The soft-min ladder in its realisations: compiled for a CPU, and in tensors for any device."""
