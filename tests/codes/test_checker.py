"""The stand-alone checker: what it accepts, everything it must refuse, and that it stands alone."""

import ast
import copy
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import oracles
import pytest

from tammes.codes import certificates, checker
from tammes.codes.checker import RefusedError

HUGE = '{"n": ' + "9" * 5000 + "}"
SQUARE = [[1, 0], [0, 1], [-1, 0], [0, -1]]


def icosahedron():
    return certificates.certificate(certificates.rounded_vectors(oracles.icosahedron()), "10^15")


def sealed(document):
    """The document with the digest that belongs to it: a forger knows how to hash."""
    return document | {"digest": checker.digest_of(document)}


def test_an_honest_certificate_holds():
    assert checker.check(icosahedron()).startswith("12 points in R^3: no cosine above 0.447213595499958")


def test_it_needs_nothing_but_the_standard_library():
    tree = ast.parse(Path(checker.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("bad", [False, True], ids=["holds", "refused"])
def test_as_a_script_outside_the_package(tmp_path, bad):
    script, file = tmp_path / "check.py", tmp_path / "code.cert.json"
    script.write_bytes(certificates.checker_source())
    text = certificates.to_json(icosahedron())
    file.write_text(text.replace('"n": 12', '"n": 13') if bad else text)
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, file], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == int(bad)
    assert done.stdout.startswith("refused: the digest" if bad else "holds: 12 points in R^3")
    assert not done.stderr


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_usage(arguments, capsys):
    assert checker.main(arguments) == 2
    assert "usage" in capsys.readouterr().out


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert checker.main([str(tmp_path / "nothing.cert.json")]) == 1
    assert "refused" in capsys.readouterr().out


def test_every_changed_digit_is_refused():
    text = certificates.to_json(icosahedron())
    places = [k for k, sign in enumerate(text) if sign.isdigit()]
    assert len(places) > 400
    for k in places:
        changed = text[:k] + str((int(text[k]) + 1) % 10) + text[k + 1 :]
        with pytest.raises(RefusedError):
            checker.fields(checker.read(changed))


def test_a_lie_with_the_right_digest_is_refused():
    honest = icosahedron()
    for key, value in {
        "max_cosine": "0.447213595499957000",
        "min_angle_degrees": "63.434948822923000",
        "closest_pair": [0, 3] if honest["closest_pair"] != [0, 3] else [0, 4],
    }.items():
        lie = sealed(honest | {key: value})
        if key == "closest_pair":  # antipodes are no closest pair
            antipode = next(j for j in range(1, 12) if lie["points"][j] == [-value for value in lie["points"][0]])
            lie = sealed(honest | {key: [0, antipode]})
        with pytest.raises(RefusedError):
            checker.check(lie)


def test_a_bound_that_is_not_tight_is_refused():
    loose = sealed(icosahedron() | {"max_cosine": "0.448000000000000000", "min_angle_degrees": "63.0"})
    with pytest.raises(RefusedError, match="closest pair to the last decimal"):
        checker.check(loose)


def _set(path, value):
    def change(document):
        target = document
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set(["points", 3, 1], 0.5), "row 3"),
        (_set(["points", 3, 1], True), "row 3"),
        (_set(["points", 3, 1], "1"), "row 3"),
        (_set(["points", 3], [1, 2]), "row 3"),
        (_set(["points", 3], [0, 0, 0]), "row 3"),
        (_set(["points", 3], None), "row 3"),
        (_set(["points"], {}), "list of n"),
        (_set(["n"], 11), "list of n = 11"),
        (_set(["n"], 1), "at least 2"),
        (_set(["n"], 12.0), "at least 2"),
        (_set(["n"], True), "at least 2"),
        (_set(["d"], 4), "row 0"),
        (_set(["d"], "3"), "at least 2"),
        (_set(["closest_pair"], [1, 0]), "closest_pair"),
        (_set(["closest_pair"], [0, 12]), "closest_pair"),
        (_set(["closest_pair"], [0]), "closest_pair"),
        (_set(["closest_pair"], [-1, 2]), "closest_pair"),
        (_set(["max_cosine"], 0.5), "max_cosine must be a string"),
        (_set(["max_cosine"], "1e-3"), "max_cosine must be a string"),
        (_set(["max_cosine"], "0.5\n"), "max_cosine must be a string"),
        (_set(["max_cosine"], "0." + "1" * 5000), "max_cosine must be a string"),
        (_set(["min_angle_degrees"], "-1.0"), "between 0 and 180"),
        (_set(["min_angle_degrees"], "181.0"), "between 0 and 180"),
        (_set(["schema"], "tammes.certificate/2"), "schema"),
    ],
)
def test_fields_are_what_they_must_be(change, reason):
    document = copy.deepcopy(icosahedron())
    change(document)
    with pytest.raises(RefusedError, match=reason):
        checker.check(sealed(document))


@pytest.mark.parametrize("key", ["schema", "n", "d", "scale", "points", "max_cosine", "closest_pair", "digest"])
def test_missing_fields_are_named(key):
    document = icosahedron()
    del document[key]
    with pytest.raises(RefusedError, match=f"the field {key} is missing"):
        checker.check(document)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{", '{"n": 1.0}', '{"n": NaN}', '{"n": Infinity}', '{"n": 1, "n": 1}', "{" * 5000, "\x00", HUGE],
    ids=lambda text: text[:12],
)
def test_what_is_no_document_of_integers_is_refused(text):
    with pytest.raises(RefusedError):
        checker.read(text)


@pytest.mark.parametrize("kind", [bytes, str])
def test_bytes_and_text_are_read_alike(kind):
    text = certificates.to_json(icosahedron())
    assert checker.read(text.encode() if kind is bytes else text) == icosahedron()


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(RefusedError, match="not JSON"):
        checker.read(b'{"a": "\xff\xfe"}')


@pytest.mark.parametrize(
    ("product", "norms", "t", "expected"),
    [
        (1, 4, 5, True),  # 1/2 <= 0.5
        (1, 4, 4, False),
        (-1, 4, 0, True),
        (-1, 4, -5, True),
        (-1, 4, -6, False),
        (0, 4, -1, False),
        (1, 4, -1, False),
        (0, 4, 0, True),
    ],
)
def test_a_cosine_against_a_bound_in_tenths(product, norms, t, expected):
    assert checker.within(product, norms, t, 10) is expected


@pytest.mark.parametrize("degrees", [0, 1, 30, 36, 45, 60, 60.5, 89, 90, 91, 120, 150, 179, 180])
def test_the_series_agrees_with_mpmath(degrees):
    import mpmath

    unit, places = 10**12, 15
    with mpmath.workdps(40):
        cosine = mpmath.cos(mpmath.radians(degrees))
        t = int(mpmath.floor(cosine * 10**places))
    angle = round(degrees * unit)
    checker.check_angle(angle, unit, t - (0 if degrees in checker.RATIONAL_COSINES else 1), 10**places)
    with pytest.raises(RefusedError):
        checker.check_angle(angle, unit, t + 2, 10**places)


def test_pi_by_machin():
    one = 10**50
    quarter = 4 * checker.arctan_of_inverse(5, one) - checker.arctan_of_inverse(239, one)
    assert str(4 * quarter)[:45] == "314159265358979323846264338327950288419716939"


def test_integers_beyond_the_double_range():
    huge = [[value * 10**400 for value in row] for row in SQUARE]
    document = certificates.certificate(huge, "10^400")
    assert "every angle at least 90.0000" in checker.check(document)
    assert math.isinf(float("1e400"))
    assert checker.read(json.dumps(document)) == document


def test_points_in_any_dtype_are_not_mistaken_for_integers():
    with pytest.raises(RefusedError):
        checker.check(sealed(icosahedron() | {"points": [[np.float64(1.0)] * 3] * 12}))
