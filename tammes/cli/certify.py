"""`tammes certify`: what can be proved about a code, in a file that anyone can check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tammes.base.errors import InvalidParameterError
from tammes.cli.options import CodeFile, Force, Json, Normalize, SomeDimension, integer
from tammes.cli.terminal import print_json

if TYPE_CHECKING:
    from tammes.codes.spherical_code import SphericalCode

__all__ = ["certify"]


def certify(
    file: CodeFile,
    decimals: Annotated[
        int | None, typer.Option(parser=integer("decimals", 6), metavar="N", help="Of the coordinates [15].")
    ] = None,
    lattice: Annotated[
        bool, typer.Option("--lattice", help="Short integer vectors in the exact directions (E8, Leech, binary codes).")
    ] = False,
    digits: Annotated[
        int | None,
        typer.Option(
            parser=integer("digits", 17), metavar="N", help="Solve the contact equations to N digits, certify those."
        ),
    ] = None,
    local: Annotated[bool, typer.Option("--local/--no-local", help="Decide local optimality.")] = True,
    checker: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="Also write a stand-alone checker: standard library only.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to [FILE.cert.json].")
    ] = None,
    normalize: Normalize = False,
    d: SomeDimension = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Prove a bound on every angle in exact integers, decide local optimality, and write both down."""
    from tammes.cli import report
    from tammes.codes import certificates, refine
    from tammes.storage import formats as files

    if lattice and (decimals is not None or digits is not None):
        raise InvalidParameterError("--lattice", "given without --decimals and --digits: it rounds nothing", "both")
    if digits is not None:
        refine.check_digits(digits)
    target = file.with_name(f"{file.name}.cert.json") if output is None else output
    for path in {target, checker} - {None}:
        files.check_writable(path, force=force)  # type: ignore[arg-type]
    code = files.load(file, d=d, normalize=normalize)
    extra: dict[str, Any] = {"source": {"file": file.name, "digest": code.digest}}
    extended = None if digits is None else refine.refine(code.points, digits)
    if local:
        extra |= _local(code)
    if extended is not None:
        extra |= _extended(extended)
    if lattice:
        vectors, scale = _lattice(code)
    else:
        places = (15 if digits is None else digits) if decimals is None else decimals
        vectors = certificates.rounded_vectors(code.points if extended is None else extended.points, places)
        scale = f"10^{places}"
    document = certificates.certificate(vectors, scale, extra)
    written = [str(target)]
    files.write_atomically(target, certificates.to_json(document).encode(), force=force)
    if checker is not None:
        files.write_atomically(checker, certificates.checker_source(), force=force)
        written.append(str(checker))
    if as_json:
        print_json({name: value for name, value in document.items() if name != "points"} | {"files": written})
    else:
        report.console().print(report.certificate_block(document, written))


def _lattice(code: SphericalCode) -> tuple[list[list[int]], str]:
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


def _local(code: SphericalCode) -> dict[str, Any]:
    """The certificate of local optimality; a word where the code is too large for it."""
    from tammes.codes import optimality

    if code.n * (code.d - 1) > optimality.LARGEST:
        return {"local_optimality_left_out": f"more than {optimality.LARGEST} degrees of freedom"}
    return {"local_optimality": optimality.local_optimality(code).to_dict()}


def _extended(refined: Any) -> dict[str, Any]:
    """Many digits, and the polynomial of the cosine where one is found."""
    from tammes.codes import minimal_polynomials as algebraic

    record = {name: value for name, value in refined.to_dict().items() if name not in {"points", "schema", "n", "d"}}
    polynomial = algebraic.minimal_polynomial(refined.max_cosine) if refined.digits >= algebraic.MIN_DIGITS else None
    return {"extended": record, "minimal_polynomial": None if polynomial is None else polynomial.to_dict()}
