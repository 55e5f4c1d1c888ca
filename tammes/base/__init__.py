"""Errors, validation, geometry, time and memory budgets: what every other package builds on."""
