"""How commands print their help: flags without a type, `--help` in the last panel of the command."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group"]


class Command(TyperCommand):
    """A command whose help says nothing of the type of a flag."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as their help is to show them."""
        return _as_shown(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as their help is to show them."""
        return _as_shown(super().get_params(ctx))


def _as_shown(parameters: list[Any]) -> list[Any]:
    """Leave out the type of flags; put `--help` beside the options that come last."""
    panels = [panel for each in parameters if (panel := getattr(each, "rich_help_panel", None))]
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
        if parameter.name == "help" and panels:
            parameter.rich_help_panel = panels[-1]
    return parameters
