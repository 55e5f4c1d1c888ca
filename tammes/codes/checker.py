"""Check a certificate of tammes with nothing but Python's standard library: `python check.py FILE.cert.json`.

Exit status 0 where it holds, 1 where it does not. All arithmetic is on integers, so nothing is rounded.

What is proved: no two of the n vectors v_i of the certificate, scaled to the unit sphere of R^d, have a cosine
above `max_cosine`, a decimal number t. For two vectors v, w with inner product p,

    t >= 0:  p <= 0  or  p^2 <= t^2 |v|^2 |w|^2,
    t <  0:  p <  0 and  p^2 >= t^2 |v|^2 |w|^2,

which are comparisons of integers once t is written as numerator / 10^k. The smallest angle is therefore at least
arccos t, and `min_angle_degrees` is checked to be no more than that by a series for the cosine.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from itertools import combinations
from operator import mul
from pathlib import Path
from typing import Any, NoReturn

SCHEMA = "tammes.certificate/1"
DECIMAL = re.compile(r"(-?)(\d+)\.(\d+)")
RATIONAL_COSINES = {60: (1, 2), 90: (0, 1), 120: (-1, 2), 180: (-1, 1)}  # whole degrees, exact by Niven's theorem


class RefusedError(Exception):
    """A certificate does not hold; the text says why."""


def read(text: str | bytes) -> dict[str, Any]:
    """The certificate as written: whole numbers, strings, lists, objects; nothing twice, nothing rounded."""

    def refuse(token: str) -> NoReturn:
        raise RefusedError(f"{token} is no integer")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise RefusedError("a field is given twice")
        return dict(pairs)

    try:
        document = json.loads(text, parse_float=refuse, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RefusedError("not a JSON object")
    return document


def digest_of(document: dict[str, Any]) -> str:
    """Return SHA-256 of the canonical JSON (sorted keys, no blanks, ASCII) of all fields but `digest`."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def decimal(document: dict[str, Any], key: str) -> tuple[int, int]:
    """Return a decimal string as (numerator, k): numerator / 10^k."""
    match = DECIMAL.fullmatch(document[key]) if isinstance(document[key], str) else None
    if match is None or len(match[0]) > 4000:
        raise RefusedError(f"{key} must be a string with a decimal number. Got {document[key]!r:.60}")
    return int(match[1] + match[2] + match[3]), len(match[3])


def fields(document: dict[str, Any]) -> list[list[int]]:
    """Return the integer vectors, after every field was checked for what it is."""
    required = ["schema", "n", "d", "scale", "points", "max_cosine", "min_angle_degrees", "closest_pair", "digest"]
    for key in required:
        if key not in document:
            raise RefusedError(f"the field {key} is missing")
    if document["schema"] != SCHEMA:
        raise RefusedError(f"schema must be {SCHEMA}. Got {document['schema']!r:.60}")
    if document["digest"] != digest_of(document):
        raise RefusedError("the digest is not that of the other fields: something was changed")
    n, d, points, pair = (document[key] for key in ("n", "d", "points", "closest_pair"))
    if type(n) is not int or type(d) is not int or n < 2 or d < 2:
        raise RefusedError("n and d must be integers of at least 2")
    if type(points) is not list or len(points) != n:
        raise RefusedError(f"points must be a list of n = {n} rows")
    for i, row in enumerate(points):
        if type(row) is not list or len(row) != d or any(type(value) is not int for value in row) or not any(row):
            raise RefusedError(f"row {i} of the points must be d = {d} integers, not all zero")
    if (
        type(pair) is not list
        or len(pair) != 2
        or any(type(i) is not int for i in pair)
        or not 0 <= pair[0] < pair[1] < n
    ):
        raise RefusedError("closest_pair must be two indices i < j of points")
    return points


def within(product: int, norms: int, t: int, unit: int) -> bool:
    """Return True if product / sqrt(norms) <= t / unit, for norms > 0 and unit > 0."""
    left, right = product * product * unit * unit, t * t * norms
    if t >= 0:
        return product <= 0 or left <= right
    return product < 0 and left >= right


def check_pairs(points: list[list[int]], t: int, unit: int, pair: list[int]) -> None:
    """Check that every pair is within the bound, and that the bound is tight."""
    norms = [sum(map(mul, v, v)) for v in points]
    for i, j in combinations(range(len(points)), 2):
        product = sum(map(mul, points[i], points[j]))
        if (t < 0 or product > 0) and not within(product, norms[i] * norms[j], t, unit):
            raise RefusedError(f"the points {i} and {j} have a larger cosine than max_cosine")
    check_closest(points, t, unit, pair)


def check_closest(points: list[list[int]], t: int, unit: int, pair: list[int]) -> None:
    """Check that the closest pair is not within the next smaller bound: `max_cosine` is tight to its last decimal."""
    v, w = (points[i] for i in pair)
    if within(sum(map(mul, v, w)), sum(map(mul, v, v)) * sum(map(mul, w, w)), t - 1, unit):
        raise RefusedError(
            f"the points {pair[0]} and {pair[1]} are not the closest pair to the last decimal of max_cosine"
        )


def check_angle(angle: int, angle_unit: int, t: int, unit: int) -> None:
    """Return True if cos(angle / angle_unit degrees) >= t / unit, so that arccos is at least the angle."""
    if not 0 <= angle <= 180 * angle_unit:
        raise RefusedError("min_angle_degrees must lie between 0 and 180")
    if angle % angle_unit == 0 and angle // angle_unit in RATIONAL_COSINES:
        numerator, denominator = RATIONAL_COSINES[angle // angle_unit]
        holds = numerator * unit >= t * denominator
    else:
        one = 10**20 * unit * angle_unit  # fixed point; what is cut off below stays far under one / (unit 10^15)
        quarter = 4 * arctan_of_inverse(5, one) - arctan_of_inverse(239, one)  # pi / 4, Machin 1706
        x = quarter * angle // (45 * angle_unit)
        cosine, term, k = 0, one, 0
        while term:
            cosine += term
            k += 2
            term = -(abs(term) * x // one * x // one // (k * (k - 1))) * (1 if term > 0 else -1)
        holds = (cosine - one // (unit * 10**15)) * unit >= t * one
    if not holds:
        raise RefusedError("min_angle_degrees is larger than the arccos of max_cosine")


def arctan_of_inverse(m: int, one: int) -> int:
    """Return arctan(1 / m) in units of 1 / one, by Gregory's series."""
    total, power, k = 0, one // m, 1
    while power:
        total += power // k if k % 4 == 1 else -(power // k)
        power //= m * m
        k += 2
    return total


def check(document: dict[str, Any]) -> str:
    """Return what is proved, in one line.

    Raises:
        RefusedError: if anything does not hold.
    """
    points = fields(document)
    (t, places), (angle, angle_places) = decimal(document, "max_cosine"), decimal(document, "min_angle_degrees")
    check_angle(angle, 10**angle_places, t, 10**places)
    check_pairs(points, t, 10**places, document["closest_pair"])
    return statement(document)


def statement(document: dict[str, Any]) -> str:
    """Return what a certificate that holds has proved."""
    size = f"{document['n']} points in R^{document['d']}"
    angle = document["min_angle_degrees"]
    return f"{size}: no cosine above {document['max_cosine']}, every angle at least {angle} degrees"


def main(arguments: list[str]) -> int:
    """Check the file that is named, print the verdict in one line and return the exit status."""
    if len(arguments) != 1:
        print("usage: python check.py FILE.cert.json")
        return 2
    try:
        print(f"holds: {check(read(Path(arguments[0]).read_bytes()))}")
    except (OSError, RefusedError) as error:
        print(f"refused: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
