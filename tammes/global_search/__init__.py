"""Global search: many starts and moves, and what decides which comes next."""
