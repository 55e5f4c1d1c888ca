"""The registry of named codes: their sizes and exact cosines are known without building them."""

from __future__ import annotations

import functools
import math
import re
from fractions import Fraction

from tammes.base.errors import InvalidParameterError, UnknownNameError
from tammes.base.geometry import Floats
from tammes.base.validation import check_integer, check_size
from tammes.constructions import binary_codes, graphs, lattices, polytopes, root_systems
from tammes.constructions.construction import (
    SNUB_CUBE,
    Construction,
    Family,
    family_by_dimension,
    power_of_2,
    single_code,
)
from tammes.constructions.families import (
    EQUAL_AREA,
    FIBONACCI,
    ORTHOPLEX,
    POLYGON,
    SIMPLEX,
)

__all__ = ["CONSTRUCTIONS", "Construction", "Family", "by_size", "construct", "find"]


def construct(name: str, *, n: int | None = None, d: int | None = None) -> Floats:
    """Return the points of a named code.

    Args:
        name: as in `CONSTRUCTIONS`, in upper or lower case; root systems as `A4`, `D5`.
        n: number of points, where the name does not determine it; otherwise it may be left out.
        d: dimension of the space, likewise.

    Returns:
        Float64, shape `(n, d)`: unit rows.

    Raises:
        UnknownNameError: if no code has this name; the known ones are listed, closest first.
        InvalidParameterError: if a parameter is missing or matches no code of this name, or the points would take
            more than 1 GiB.

    Example:
        >>> construct("E8").shape, construct("D5").shape, construct("simplex", d=7).shape
        ((240, 8), (40, 5), (8, 7))
    """
    return find(name, n=n, d=d).points()


def find(name: str, *, n: int | None = None, d: int | None = None) -> Construction:
    """Return the construction of that name and size without building it; arguments and errors as for `construct`."""
    family = _by_name().get(str(name).casefold())
    if family is not None:
        return family.member(n, d)
    rank = re.fullmatch(r"([ad])_?(\d{1,9})", str(name).casefold())
    if rank is None:
        raise UnknownNameError("name", name, CONSTRUCTIONS)
    number = int(rank[2])
    if d not in (None, number):
        raise InvalidParameterError("d", f"{number} for {name}", d, "It can be left out.")
    return CONSTRUCTIONS[f"{rank[1].upper()}n"].member(n, number)


def by_size(n: int, d: int) -> list[Construction]:
    """Return the named codes of exactly n points in R^d, the smallest maximal cosine first, without building them.

    Codes whose cosine is only known by measuring (spirals and partitions, which exist for every size) are left out.

    Raises:
        InvalidParameterError: unless n and d are integers of at least 2.

    Example:
        >>> [code.name for code in by_size(120, 4)], [code.name for code in by_size(8, 3)]
        (['600-cell'], ['square-antiprism', 'cube', 'hypercube'])
    """
    n, d = check_size(n, d)
    found = []
    for family in CONSTRUCTIONS.values():
        try:
            code = family.member(n, d)
        except InvalidParameterError:
            continue
        if code.max_cosine is not None:
            found.append(code)
    return sorted(found, key=lambda code: round(code.max_cosine or 0.0, 9))  # stable: ties are in the registry's order


@functools.cache
def _by_name() -> dict[str, Family]:
    """Return the families by name in lower case."""
    return {name.casefold(): family for name, family in CONSTRUCTIONS.items()}


_COXETER = "H. S. M. Coxeter, Regular Polytopes"
_TOTH = "L. Fejes Toth, 1943"
_SPLAG = "J. H. Conway and N. J. A. Sloane, Sphere Packings, Lattices and Groups"
_SHARP = "H. Cohn and A. Kumar, Universally optimal distribution of points on spheres, 2007, Table 1"
_SCHUETTE = "K. Schuette and B. L. van der Waerden, 1951"
_DANZER = "L. Danzer, Finite point-sets on S^2 with minimum distance as large as possible, 1986"
_BACHOC = "C. Bachoc and F. Vallentin, Optimality and uniqueness of the (4, 10, 1/6) spherical code, 2009"
_LAAT = "D. de Laat, N. Leijenhorst and W. de Muinck Keizer, 2024, arXiv:2404.18794"
_COHN = "H. Cohn, D. de Laat and N. Leijenhorst, 2024, arXiv:2403.16874"
_BALLINGER = "B. Ballinger et al., Experimental study of energy-minimizing point configurations on spheres, 2009"
_KISSING = "V. I. Levenshtein, 1979; A. M. Odlyzko and N. J. A. Sloane, 1979"


def _kerdock_size(d: int) -> int:
    """Return d(d + 2), or raise an error if d is not a power of 4."""
    if d & (d - 1) or d.bit_length() % 2 == 0:
        raise InvalidParameterError("d", "a power of 4: 4, 16, 64 or 256", d)
    return d * (d + 2)


def _number_of_roots_d(d: int) -> int:
    """Return 2d(d - 1), or raise an error if d is below 3."""
    d = check_integer("d", d, 3, purpose="for the roots of D")
    return 2 * d * (d - 1)


_FAMILIES = [
    SIMPLEX,
    ORTHOPLEX,
    POLYGON,
    single_code("tetrahedron", "tetrahedron", 4, 3, "-1/3", _TOTH, polytopes.tetrahedron),
    single_code("octahedron", "octahedron", 6, 3, "0", _TOTH, polytopes.octahedron),
    single_code("schuette-7", "7-point code C3v", 7, 3, "root of 3x^3-9x^2-3x+1", _SCHUETTE, polytopes.schuette_7),
    single_code("square-antiprism", "square antiprism", 8, 3, "(2*sqrt(2)-1)/7", _SCHUETTE, polytopes.square_antiprism),
    single_code("cube", "cube", 8, 3, "1/3", _COXETER, polytopes.cube),
    single_code("tricapped-prism", "tricapped trigonal prism", 9, 3, "1/3", _SCHUETTE, polytopes.tricapped_prism),
    single_code("danzer-10", "10-point code C2v", 10, 3, "root of 7x^3-4x^2-2x+1", _DANZER, polytopes.danzer_10),
    single_code(
        "icosahedron-1", "icosahedron less a point", 11, 3, "1/sqrt(5)", _DANZER, polytopes.icosahedron_minus_1
    ),
    single_code("icosahedron", "icosahedron", 12, 3, "1/sqrt(5)", _TOTH, polytopes.icosahedron),
    single_code("dodecahedron", "dodecahedron", 20, 3, "sqrt(5)/3", _COXETER, polytopes.dodecahedron),
    single_code("snub-cube", "snub cube", 24, 3, SNUB_CUBE, "R. M. Robinson, 1961", polytopes.snub_cube),
    single_code("petersen", "Petersen code", 10, 4, "1/6", _BACHOC, root_systems.petersen),
    single_code("24-cell", "24-cell", 24, 4, "1/2", _LAAT, polytopes.cell_24),
    single_code("600-cell", "600-cell", 120, 4, "(1+sqrt(5))/4", _SHARP, polytopes.cell_600),
    single_code("120-cell", "120-cell", 600, 4, "(1+3*sqrt(5))/8", _COXETER, polytopes.cell_120),
    single_code("clebsch", "Clebsch code", 16, 5, "1/5", _SHARP, root_systems.clebsch),
    single_code("schlaefli", "Schlaefli code, 27 lines", 27, 6, "1/4", _SHARP, root_systems.schlaefli),
    single_code("E6", "roots of E6", 72, 6, "1/2", _SPLAG, root_systems.roots_e6),
    single_code("gosset", "Gosset polytope 3_21", 56, 7, "1/3", _SHARP, root_systems.gosset),
    single_code("E7", "roots of E7", 126, 7, "1/2", _SPLAG, root_systems.roots_e7),
    single_code("E8", "roots of E8", 240, 8, "1/2", _KISSING, root_systems.roots_e8),
    single_code("smith-40", "W. D. Smith's 40 points", 40, 10, "1/6", _BALLINGER, graphs.smith_40),
    single_code(
        "shortened-64", "64 points, Nordstrom-Robinson shortened", 64, 14, "1/7", _BALLINGER, binary_codes.shortened_64
    ),
    single_code("barnes-wall", "minimal vectors of Barnes-Wall", 4320, 16, "1/2", _SPLAG, lattices.barnes_wall),
    single_code("gewirtz", "Gewirtz graph", 56, 20, "1/15", _COHN, graphs.gewirtz),
    single_code("hoffman-singleton", "Hoffman-Singleton graph", 50, 21, "1/21", _COHN, graphs.hoffman_singleton),
    single_code("M22", "M22 graph", 77, 21, "1/12", _COHN, graphs.m22),
    single_code("leech-162", "162 points of the McLaughlin graph", 162, 21, "1/7", _SHARP, lattices.leech_162),
    single_code("higman-sims", "Higman-Sims graph", 100, 22, "1/11", _SHARP, graphs.higman_sims),
    single_code("mclaughlin", "McLaughlin graph", 275, 22, "1/6", _SHARP, lattices.mclaughlin),
    single_code("leech-891", "891 points of the Leech lattice", 891, 22, "1/4", _SHARP, lattices.leech_891),
    single_code("leech-552", "276 equiangular lines", 552, 23, "1/5", _SHARP, lattices.leech_552),
    single_code("leech-4600", "4600 points of the Leech lattice", 4600, 23, "1/3", _SHARP, lattices.leech_4600),
    single_code("leech", "minimal vectors of the Leech lattice", 196560, 24, "1/2", _KISSING, lattices.leech),
    *(
        single_code(
            f"quadric-{q}",
            f"elliptic quadric Q-(5, {q})",
            (q + 1) * (q**3 + 1),
            q * (q * q - q + 1),
            f"1/{q * q}",
            _SHARP,
            functools.partial(graphs.quadric, q),
        )
        for q in (2, 3, 4, 5)
    ),
    family_by_dimension(
        "hypercube",
        "hypercube",
        "2^d in R^d",
        "(d - 2)/d",
        _COXETER,
        (2, 3, 6, 10),
        count=lambda d: power_of_2(d, d, "hypercube", 2),
        cosine=lambda d: Fraction(d - 2, d),
        build=polytopes.hypercube,
    ),
    family_by_dimension(
        "demicube",
        "demicube",
        "2^(d-1) in R^d",
        "(d - 4)/d",
        _COXETER,
        (3, 4, 5, 6, 11),
        count=lambda d: power_of_2(d, d - 1, "demicube", 3),
        cosine=lambda d: Fraction(d - 4, d),
        build=polytopes.demicube,
    ),
    family_by_dimension(
        "An",
        "roots of A_d",
        "d(d + 1) in R^d",
        "1/2",
        _SPLAG,
        (2, 3, 4, 9),
        count=lambda d: d * (d + 1),
        cosine=lambda _: Fraction(1, 2),
        build=root_systems.roots_a,
        label="A{d}",
    ),
    family_by_dimension(
        "Dn",
        "roots of D_d",
        "2d(d - 1) in R^d",
        "1/2",
        _SPLAG,
        (3, 4, 5, 12),
        count=_number_of_roots_d,
        cosine=lambda _: Fraction(1, 2),
        build=root_systems.roots_d,
        label="D{d}",
    ),
    family_by_dimension(
        "kerdock",
        "Kerdock code",
        "d(d + 2) in R^d, d = 4^k",
        "1/sqrt(d)",
        _COHN,
        (4, 16, 64, 256),
        count=_kerdock_size,
        cosine=lambda d: Fraction(1, math.isqrt(d)),
        build=binary_codes.kerdock,
    ),
    FIBONACCI,
    EQUAL_AREA,
]

CONSTRUCTIONS: dict[str, Family] = {family.name: family for family in _FAMILIES}
"""Every family by its name. The roots of A_n and D_n are `An` and `Dn`; `construct` takes `A4` and `D5` too."""
