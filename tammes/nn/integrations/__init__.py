"""Callbacks that add the regularisation term in the training loops of other libraries."""
