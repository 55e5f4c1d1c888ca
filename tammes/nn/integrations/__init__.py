"""The regulariser in the training loops of other libraries."""
