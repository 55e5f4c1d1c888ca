"""The command line: `tammes` and its commands. Answers on stdout, narration on stderr.

Exit status: 0 done; 1 a clear reason in one line; 2 wrong usage; 130 interrupted, best code saved.
"""

import io
import sys
from typing import Annotated

import typer

from tammes.base.errors import ConflictingOptionsError, InvalidParameterError, TammesError, UnknownNameError
from tammes.cli import (
    archive,
    bench,
    bound,
    certify,
    compare,
    construct,
    convert,
    inspect,
    plot,
    polish,
    search,
    solve,
    table,
    verify,
)
from tammes.cli.help import Command, Group
from tammes.cli.terminal import fail

__all__ = ["app", "main"]

app = typer.Typer(
    name="tammes",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# In the order of use; the groups of commands come after the single ones, in panels of the same names.
_COMMANDS = {
    "Find": (solve.solve, search.search, construct.construct),
    "Check": (verify.verify, certify.certify, polish.polish, compare.compare),
    "Know": (table.table, bound.bound),
    "Files and pictures": (convert.convert, plot.plot),
    "Networks": (inspect.inspect,),
}
for _panel, _functions in _COMMANDS.items():
    for _function in _functions:
        app.command(cls=Command, rich_help_panel=_panel)(_function)
app.add_typer(archive.archive_app, name="archive", rich_help_panel="Files and pictures")
app.add_typer(bench.bench_app, name="bench", rich_help_panel="Paper")


def main() -> None:
    """Run the command line: an error of this package becomes one line on stderr and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a degree sign is no reason to fail where only ASCII is known
            stream.reconfigure(errors="replace")
    try:
        app()
    except (ConflictingOptionsError, InvalidParameterError, UnknownNameError) as error:
        fail(str(error), 2)
    except TammesError as error:
        fail(str(error), 1)
    except BrokenPipeError:  # the reader of our output has gone: `tammes table --d 3 | head`
        sys.stderr.close()
        sys.exit(1)


def _version(asked: bool) -> None:
    """Print the version and end, if that was asked for."""
    if asked:
        import importlib.metadata

        print(f"tammes {importlib.metadata.version('tammes')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Spherical codes: n points on the unit sphere in R^d with the largest minimal angle."""
