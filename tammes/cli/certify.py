"""`tammes certify`: what can be proved about a code, in a file that anyone can check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import ConflictingOptionsError, InvalidParameterError
from tammes.cli.options import METHOD, OUTPUT, CodeFile, FileDimension, Force, Json, Normalize
from tammes.cli.terminal import console, print_json
from tammes.cli.values import integer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tammes.codes.extended_precision import Refined
    from tammes.codes.spherical_code import SphericalCode

__all__ = ["certify"]

_SHOWN = 100  # digits that a terminal is given; the file has them all


def certify(
    file: CodeFile,
    decimals: Annotated[
        int | None,
        typer.Option(
            parser=integer("decimals", 6),
            metavar="N",
            help="Decimals to which the coordinates are rounded.",
            show_default="15, or all --digits",
            rich_help_panel=METHOD,
        ),
    ] = None,
    lattice: Annotated[
        bool,
        typer.Option(
            "--lattice",
            help="Short integer vectors in the exact directions (E8, Leech, binary codes).",
            rich_help_panel=METHOD,
        ),
    ] = False,
    digits: Annotated[
        int | None,
        typer.Option(
            parser=integer("digits", 17),
            metavar="N",
            help="Solve the contact equations to N digits, certify those.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local/--no-local", help="Decide local optimality.", rich_help_panel=METHOD)
    ] = True,
    normalize: Normalize = False,
    d: FileDimension = None,
    checker: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py",
            help="Also write a stand-alone checker: standard library only.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File of the certificate.",
            show_default="FILE.cert.json",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Prove a bound on every angle in exact integers, decide local optimality, and write both down."""
    from tammes.codes import certificates, extended_precision
    from tammes.storage import atomic, formats

    for name, given in (("--decimals", decimals), ("--digits", digits)):
        if lattice and given is not None:
            raise ConflictingOptionsError("--lattice", name)
    if digits is not None:
        extended_precision.check_digits(digits)
    target = file.with_name(f"{file.name}.cert.json") if output is None else output
    for path in [target] if checker is None else [target, checker]:
        atomic.check_writable(path, force=force)
    code = formats.load(file, d=d, normalize=normalize)
    extra: dict[str, Any] = {"source": {"file": file.name, "digest": code.digest}}
    refined = None if digits is None else extended_precision.refine(code.points, digits)
    if local:
        extra |= _local(code)
    if refined is not None:
        extra |= _extended(refined)
    if lattice:
        vectors, scale = _lattice(code)
    else:
        if decimals is None:
            decimals = 15 if digits is None else digits
        vectors = certificates.rounded_vectors(code.points if refined is None else refined.points, decimals)
        scale = f"10^{decimals}"
    document = certificates.certificate(vectors, scale, extra)
    atomic.write_atomically(target, certificates.to_json(document).encode(), force=force)
    written = [str(target)]
    if checker is not None:
        atomic.write_atomically(checker, certificates.checker_source(), force=force)
        written.append(str(checker))
    if as_json:
        print_json({name: value for name, value in document.items() if name != "points"} | {"files": written})
    else:
        console().print(_certificate_block(document, written))


def _lattice(code: "SphericalCode") -> tuple[list[list[int]], str]:
    """Return short integer vectors in the directions of the points, and the length to divide them by."""
    from tammes.codes import certificates

    found = certificates.lattice_vectors(code.points)
    if found is None:
        raise InvalidParameterError(
            "--lattice",
            "given for points that are short integer vectors of one length",
            "other points",
            "Leave it out.",
        )
    vectors, norm = found
    return vectors, f"sqrt({norm})"


def _local(code: "SphericalCode") -> dict[str, Any]:
    """Return the certificate of local optimality; a sentence where the code is too large for it."""
    from tammes.codes import optimality

    if code.n * (code.d - 1) > optimality.LARGEST:
        return {"local_optimality_left_out": f"more than {optimality.LARGEST} degrees of freedom"}
    return {"local_optimality": optimality.local_optimality(code).to_dict()}


def _extended(refined: "Refined") -> dict[str, Any]:
    """Return the angle in many digits, and the polynomial of the cosine where one is found."""
    from tammes.codes import minimal_polynomials as algebraic

    record = {name: value for name, value in refined.to_dict().items() if name not in {"points", "schema", "n", "d"}}
    polynomial = algebraic.minimal_polynomial(refined.max_cosine) if refined.digits >= algebraic.MIN_DIGITS else None
    return {"extended": record, "minimal_polynomial": None if polynomial is None else polynomial.to_dict()}


def _certificate_block(document: dict[str, Any], saved: list[str]) -> "RenderableType":
    """Return what a certificate proves, a line for each statement."""
    from rich.text import Text

    from tammes.cli import report

    rounded = f"coordinates times {document['scale']}, rounded"
    kind = rounded if document["scale"].startswith("10^") else f"exact integer vectors, divided by {document['scale']}"
    i, j = document["closest_pair"]
    rows: report.Rows = [
        ("points", f"{document['n']} in d = {document['d']}: {kind}"),
        ("max cosine", Text(f"at most {document['max_cosine']}", style="bold")),
        ("minimal angle", Text(f"at least {document['min_angle_degrees']}°", style="bold")),
        ("", "proved for every pair, by integer arithmetic"),
        ("closest pair", f"{i}, {j}"),
    ]
    if "local_optimality" in document:
        local = document["local_optimality"]
        rows.append(("local optimality", local["sentence"]))
        rattlers = local["rattlers"]
        if rattlers and local["verdict"] not in {"improvable", "undecided"}:
            rows.append(("", f"{report.counted(len(rattlers), 'rattler')}: {', '.join(map(str, rattlers))}"))
    elif "local_optimality_left_out" in document:
        rows.append(("local optimality", f"left out: {document['local_optimality_left_out']}"))
    if "extended" in document:
        extended = document["extended"]
        rows.append((f"{extended['digits']} digits", f"max cosine {_shortened(extended['max_cosine'])}"))
        rows.append(("", f"minimal angle {_shortened(extended['min_angle_degrees'])}°"))
        polynomial = document["minimal_polynomial"]
        if polynomial is None:
            rows.append(("minimal polynomial", "none found up to degree 16 in these digits"))
        else:
            evidence = f"{polynomial['digits_matched']} digits match, {polynomial['digits_spent']} are spent on it"
            rows += [("minimal polynomial", f"{polynomial['text']} of the max cosine c"), ("", evidence)]
    rows += [("digest", document["digest"]), ("saved", report.paths(saved))]
    return report.named_rows(rows)


def _shortened(text: str) -> str:
    """Return at most a hundred digits."""
    return text if len(text) <= _SHOWN + 10 else f"{text[:_SHOWN]}..."
