"""The experiments of the paper on networks (its Sections 5 and 6), for readers who have the data."""
