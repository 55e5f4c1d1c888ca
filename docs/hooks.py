"""Build hooks of the documentation site: pages generated from the commands, the public names and files of the root.

Nothing that they make is committed. MkDocs calls the functions by name.
"""

from __future__ import annotations

import importlib
import inspect
import posixpath
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

import tammes
from tammes.cli.main import app

ROOT = Path(__file__).parents[1]
FROM_ROOT = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "benchmarks/scale.png": "benchmarks/scale.png",
    "benchmarks/table1/table1.png": "benchmarks/table1/table1.png",
    "benchmarks/regularizer/digits_angles.png": "benchmarks/regularizer/digits_angles.png",
}
"""Files of the site that lie outside `docs/`: address in the site, path in the repository."""

LINK = re.compile(r"(\]\(|<img [^>]*?src=\")([^)\"#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List a page for each public module below "Python" in the navigation."""
    for section in config.nav or ():
        for entry in section.get("Reference", ()) if isinstance(section.get("Reference"), list) else ():
            if "Python" in entry:
                entry["Python"] = [
                    {"tammes": "reference/api.md"},
                    *({name: f"reference/{name}.md"} for name in _modules()),
                ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for address, path in FROM_ROOT.items():
        if address.endswith(".md"):
            files.append(File.generated(config, address, content=(ROOT / path).read_text(encoding="utf-8")))
        else:
            files.append(File.generated(config, address, abs_src_path=str(ROOT / path)))
    pages = {"reference/commands.md": commands_page(), "reference/api.md": objects_page()}
    pages |= {f"reference/{name}.md": module_page(name) for name in _modules()}
    for address, text in pages.items():
        files.append(File.generated(config, address, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 (MkDocs calls it by name)
    """Turn links that are right in the repository into links that are right in the site.

    A file that the site has is linked there, any other file of the repository at its address in the repository.
    """
    source = FROM_ROOT.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    sites = {path: address for address, path in FROM_ROOT.items()}

    def site_link(match: re.Match[str]) -> str:
        target = match[2]
        if re.match(r"\w+:", target) or page.file.src_uri.startswith("reference/"):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        address = sites.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if address is None or address.endswith(".py"):
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            return f"{match[1]}{config.repo_url}/{kind}/main/{path}"
        if match[1].startswith("<img"):  # raw HTML is not resolved by MkDocs
            up = "" if page.is_homepage else "../" * (page.file.dest_uri.count("/"))
            return f"{match[1]}{up}{address}"
        return match[1] + posixpath.relpath(address, posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(site_link, markdown)


# --- commands ---------------------------------------------------------------------------------


def commands_page() -> str:
    """Return the command reference as Markdown, from the commands themselves."""
    root = get_command(app)
    lines = ["# Commands", "", "Generated from the commands: what `tammes COMMAND --help` prints.", ""]
    panels: dict[str, list[str]] = {}
    panel = ""
    for path, command in _commands(root, "tammes"):
        here = getattr(command, "rich_help_panel", None)
        panel = here if isinstance(here, str) else panel  # a command of a group is shown with its group
        panels.setdefault(panel, []).extend(_command_lines(path, command))
    for panel, entries in panels.items():
        lines += [f"## {panel}", "", *entries] if panel else entries
    return "\n".join(lines)


def _commands(group: TyperGroup, path: str) -> Any:
    """Yield (path, command) of every command that is shown, in the order in which `--help` lists them."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield f"{path} {name}", command
        if hasattr(command, "list_commands"):
            yield from _commands(command, f"{path} {name}")


def _command_lines(path: str, command: TyperCommand) -> list[str]:
    context = typer.Context(command, info_name=path)
    lines = [f"### {path}", "", _escaped(command.help or command.short_help or ""), ""]
    usage = " ".join(command.collect_usage_pieces(context))
    lines += ["```text", f"{path} {usage}".rstrip(), "```", ""]
    rows: dict[str, list[str]] = {}
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name in {"help", "install_completion", "show_completion"}:
            continue
        panel = getattr(parameter, "rich_help_panel", None)
        rows.setdefault(panel if isinstance(panel, str) else "", []).append(_parameter_row(parameter, context))
    lines += ["| option | meaning |", "|---|---|"]
    for panel, entries in rows.items():
        lines += [f"| **{panel}** | |", *entries] if panel else entries
    lines.append("")
    return lines


def _parameter_row(parameter: TyperArgument | TyperOption, context: typer.Context) -> str:
    names, text = parameter.get_help_record(context) or (str(parameter.name).upper(), "")
    return f"| `{names}` | {_escaped(text)} |"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("\\[", "[")


# --- Python -----------------------------------------------------------------------------------


def _modules() -> list[str]:
    """Names of the public modules: attributes of `tammes` that are modules."""
    return [name for name in tammes.__all__ if inspect.ismodule(getattr(tammes, name))]


def objects_page() -> str:
    """Return the page of the functions and classes that `tammes` itself holds."""
    lines = ["# tammes", "", "The functions and classes of `tammes`. Its modules have pages of their own: "]
    lines[-1] += ", ".join(f"[`{name}`]({name}.md)" for name in _modules()) + "."
    lines += ["", "The order is always `(n, d)`; angles are in radians unless a name says `degrees`.", ""]
    modules = [getattr(tammes, name) for name in _modules()]
    elsewhere = {id(getattr(module, member)) for module in modules for member in getattr(module, "__all__", ())}
    for name in sorted(set(tammes.__all__) - set(_modules()), key=lambda name: (name[0].isupper(), name)):
        thing = getattr(tammes, name)
        if name in {"load", "save"} or id(thing) not in elsewhere:
            lines += _entry(thing, name)
    return "\n".join(lines)


def module_page(name: str) -> str:
    """Return the page of one public module: the module's own text, then all that it exports."""
    module = getattr(tammes, name)
    summary = inspect.getdoc(module) or ""
    lines = [f"# tammes.{name}", "", *(line.replace("<", "&lt;") for line in summary.splitlines()), ""]
    for member in getattr(module, "__all__", ()):
        thing = getattr(module, member)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            lines += _entry(thing, member)
        elif inspect.ismodule(thing):
            lines += [f"## {member}", "", inspect.getdoc(thing) or "", ""]
    return "\n".join(lines)


def _entry(thing: Any, name: str) -> list[str]:
    """Return the lines that show an object where it is defined, or a plain heading for what is made at run time."""
    found = getattr(importlib.import_module(thing.__module__), thing.__qualname__, None)
    if found is not thing or thing.__module__.split(".")[0] != "tammes":
        return [f"## {name}", "", (inspect.getdoc(thing) or "").split("\n", maxsplit=1)[0], ""]
    return [f"::: {thing.__module__}.{thing.__qualname__}", ""]
