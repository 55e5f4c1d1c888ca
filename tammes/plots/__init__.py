"""Figures of codes, angles and runs, without pyplot."""

from __future__ import annotations

from tammes.plots.figures import SUFFIXES, figure_bytes, plot_code, plot_gradients, plot_history, plot_table1

__all__ = ["SUFFIXES", "figure_bytes", "plot_code", "plot_gradients", "plot_history", "plot_table1"]
