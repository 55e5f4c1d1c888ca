"""An outsider's check: honest records hold, and every false claim is named."""

import hashlib
import json
import math

import numpy as np
import oracles
import pytest

from tammes.base.errors import FileAccessError, FileFormatError, InvalidParameterError, TammesError
from tammes.codes.spherical_code import SphericalCode
from tammes.storage.verification import TOLERANCE, CountLimits, Verification, verify

ANGLE = math.atan(2.0)  # of the icosahedron
POINTS = oracles.icosahedron()
PYRAMID = np.delete(oracles.orthoplex(3), 5, axis=0)  # the apex is a rattler


def digest_of(points):
    text = f"{points.shape[0]} {points.shape[1]}\n".encode()
    return hashlib.sha256(text + points.astype("<f8").tobytes()).hexdigest()


def honest(points=POINTS, angle=ANGLE, contacts=30, rattlers=0):
    """A record from closed forms and the standard library."""
    return {
        "schema": "tammes.result/1",
        "n": points.shape[0],
        "d": points.shape[1],
        "min_angle": angle,
        "min_angle_degrees": math.degrees(angle),
        "max_cosine": math.cos(angle),
        "contacts": {"tolerance": 1e-9, "count": contacts},
        "rattlers": {"count": rattlers, "indices": []},
        "digest": digest_of(points),
        "status": {"code": "local-maximum"},
    }


@pytest.fixture
def beside(tmp_path):
    """Writes points and a record beside them; returns the file of points."""

    def write(record=None, points=POINTS, name="code.npy"):
        np.save(tmp_path / name, points)
        if record is not None:
            text = record if isinstance(record, str) else json.dumps(record)
            (tmp_path / name).with_suffix(".json").write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("points", "record"),
    [
        pytest.param(POINTS, honest(), id="icosahedron"),
        pytest.param(oracles.cell24(), honest(oracles.cell24(), math.pi / 3, 96, 0), id="24-cell"),
        pytest.param(PYRAMID, honest(PYRAMID, math.pi / 2, 8, 1), id="pyramid"),
    ],
)
def test_an_honest_record_holds(points, record, beside):
    path = beside(record, points)
    for given in (path, str(path)):
        checked = verify(given)
        assert checked.disagreements == ()
        assert checked.holds
        assert checked.claimed_in == path.with_suffix(".json")
    document = json.loads(json.dumps(checked.to_dict()))
    assert document["holds"] is True
    assert document["disagreements"] == []
    assert document["claimed_in"] == str(path.with_suffix(".json"))
    for key in ("n", "d", "digest"):
        assert document[key] == record[key]
    for key in ("min_angle", "min_angle_degrees", "max_cosine"):
        assert document[key] == pytest.approx(record[key], abs=1e-13)
    assert (document["contacts"], document["rattlers"]) == (record["contacts"]["count"], record["rattlers"]["count"])
    i, j = document["closest_pair"]
    assert float(oracles.angle(points[i], points[j])) == pytest.approx(record["min_angle"], abs=1e-15)


FALSE = [
    ("n", 13, "n: claimed 13, measured 12"),
    ("n", "12", "n: claimed"),
    ("n", True, "n: claimed True"),
    ("n", math.nan, "n: claimed nan"),
    ("d", 4, "d: claimed 4, measured 3"),
    ("d", [3], "d: claimed"),
    ("min_angle", ANGLE + 2e-12, "min_angle: claimed 1.10714871"),
    ("min_angle", ANGLE - 2e-12, "min_angle: claimed 1.10714871"),
    ("min_angle", -ANGLE, "min_angle: claimed -1.1"),
    ("min_angle", str(ANGLE), "min_angle: claimed '1.1"),
    ("min_angle", math.nan, "min_angle: claimed nan"),
    ("min_angle", math.inf, "min_angle: claimed inf"),
    ("min_angle", True, "min_angle: claimed True"),
    ("min_angle", None, "min_angle: claimed None"),
    ("min_angle", [ANGLE], "min_angle: claimed [1.1"),
    ("min_angle_degrees", math.degrees(ANGLE) + 1e-10, "min_angle_degrees: claimed 63.4349488"),
    ("min_angle_degrees", ANGLE, "min_angle_degrees: claimed 1.1"),
    ("min_angle_degrees", False, "min_angle_degrees: claimed False"),
    ("max_cosine", math.cos(ANGLE) - 2e-12, "max_cosine: claimed 0.447"),
    ("max_cosine", "0.4472135954999579", "max_cosine: claimed '0.4"),
    ("digest", "0" * 64, f"digest: claimed {'0' * 64}, measured {digest_of(POINTS)}"),
    ("digest", digest_of(POINTS).upper(), "digest: claimed"),
    ("digest", 7, "digest: claimed 7"),
    ("contacts", {"tolerance": 1e-9, "count": 29}, "contacts: claimed 29, measured 30"),
    ("contacts", {"tolerance": 1e-9, "count": "30"}, "contacts: claimed {'tolerance': 1e-09, 'count': '30'} ("),
    ("contacts", {"tolerance": -1.0, "count": 30}, "contacts: claimed {'tolerance': -1.0, 'count': 30} ("),
    ("contacts", {"tolerance": 1e-9}, "contacts: claimed {'tolerance': 1e-09} (object missing required field `count`)"),
    ("rattlers", {"count": 1, "indices": [0]}, "rattlers: claimed 1, measured 0"),
    ("schema", "tammes.result/2", "schema 'tammes.result/2' is unknown; this version reads tammes.result/1"),
    ("schema", None, "schema None is unknown"),
    ("schema", 1, "schema 1 is unknown"),
]


@pytest.mark.parametrize(("key", "value", "line"), FALSE, ids=lambda value: str(value)[:24])
def test_each_false_claim_is_named_alone(key, value, line, beside):
    checked = verify(beside({**honest(), key: value}))
    assert not checked.holds
    (found,) = checked.disagreements
    assert found.startswith(line)
    assert checked.to_dict()["disagreements"] == [found]


LEAKS = {
    "huge integer": {"min_angle": 10**400},
    "contacts as a number": {"contacts": 31},
    "contacts as text": {"contacts": "thirty-one"},
    "rattlers as a number": {"rattlers": 4},
}


@pytest.mark.parametrize("false", LEAKS.values(), ids=LEAKS)
def test_claims_of_the_wrong_kind_are_named(false, beside):
    (found,) = verify(beside({**honest(), **false})).disagreements
    assert found.startswith(next(iter(false)))


def test_rattlers_alone_are_compared(beside):
    record = {**honest(), "rattlers": {"count": 5}}
    del record["contacts"]
    assert verify(beside(record)).disagreements == ("rattlers: claimed 5, measured 0",)


@pytest.mark.parametrize("key", ["digest", "max_cosine", "n"])
def test_a_record_without_an_angle_still_claims(key, beside):
    false = {"digest": "0" * 64, "max_cosine": 0.3, "n": 13}[key]
    assert not verify(beside({"schema": "tammes.result/1", key: false})).holds


@pytest.mark.parametrize("claim", [True, "1.0", [1.0]], ids=repr)
def test_an_angle_of_one_is_neither_true_nor_text(claim, beside):
    points = np.array([[1.0, 0.0], [math.cos(1.0), math.sin(1.0)]])
    assert verify(beside({"min_angle": 1.0}, points)).holds
    (found,) = verify(beside({"min_angle": claim}, points)).disagreements
    assert found.startswith(f"min_angle: claimed {claim!r} (expected `float`, got ")


def test_all_false_claims_are_named_together(beside):
    record = honest(oracles.orthoplex(4), math.pi / 2, 24, 1)
    names = [line.partition(":")[0] for line in verify(beside(record)).disagreements]
    assert sorted(names) == sorted(
        ["n", "d", "digest", "min_angle", "min_angle_degrees", "max_cosine", "contacts", "rattlers"]
    )


def test_what_is_left_out_is_not_compared(beside):
    checked = verify(beside({"min_angle": ANGLE}))
    assert checked.holds
    assert checked.claimed_in.name == "code.json"


def test_contacts_are_counted_at_the_tolerance_of_the_claim(beside):
    jitter = POINTS + 1e-6 * oracles.random_code(12, 3)
    points = jitter / np.linalg.norm(jitter, axis=1, keepdims=True)
    record = {"min_angle": float(oracles.min_angle(points))}
    tight = len(oracles.contacts(points))
    assert tight < 30
    for tolerance, count in ((1e-4, 30), (1e-9, tight)):
        claim = {**record, "contacts": {"tolerance": tolerance, "count": count}}
        assert verify(beside(claim, points)).holds
        assert not verify(beside({**claim, "contacts": {"tolerance": tolerance, "count": 31}}, points)).holds


@pytest.mark.parametrize(
    ("tolerance", "off", "holds"),
    [
        (TOLERANCE, 0.9e-12, True),
        (TOLERANCE, 1.1e-12, False),
        (1e-6, 0.9e-6, True),
        (1e-6, 1.1e-6, False),
        (1, 0.99, True),
        (0.0, 1e-13, False),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_tolerance_is_in_radians(tolerance, off, holds, sign, beside):
    for claim in ({"min_angle": ANGLE + sign * off}, {"min_angle_degrees": math.degrees(ANGLE + sign * off)}):
        assert verify(beside(claim), tolerance=tolerance).holds is holds


@pytest.mark.parametrize("tolerance", [-1e-12, -math.inf, math.nan], ids=repr)
def test_a_tolerance_is_not_negative(tolerance, beside):
    with pytest.raises(
        InvalidParameterError, match=r"^`tolerance` must be a non-negative number of radians. Got -?[1in]"
    ):
        verify(beside(honest()), tolerance=tolerance)


@pytest.mark.parametrize("tolerance", ["1e-12", None, math.inf], ids=repr)
def test_a_tolerance_is_a_finite_number(tolerance, beside):
    with pytest.raises(InvalidParameterError, match=r"^`tolerance` must be "):
        verify(beside(honest()), tolerance=tolerance)


# --- which record ---------------------------------------------------------------------------------


def test_points_without_a_record_claim_nothing(beside):
    checked = verify(beside())
    assert (checked.claimed_in, checked.disagreements, checked.holds) == (None, (), True)
    assert checked.to_dict()["claimed_in"] is None
    assert checked.code.min_angle == pytest.approx(ANGLE, abs=1e-15)


def test_a_record_may_be_given_for_its_points(beside, tmp_path):
    beside({**honest(), "file": "code.npy"})
    assert verify(tmp_path / "code.json").holds
    beside({**honest(), "n": 11, "file": "code.npy"})
    checked = verify(tmp_path / "code.json")
    assert checked.disagreements == ("n: claimed 11, measured 12",)
    assert checked.claimed_in == tmp_path / "code.json"


def test_a_record_may_hold_its_points(tmp_path):
    path = tmp_path / "code.json"
    path.write_text(json.dumps({**honest(), "points": POINTS.tolist()}))
    assert verify(path).holds
    assert verify(path).claimed_in == path
    path.write_text(json.dumps({**honest(), "points": POINTS[::-1].tolist()}))
    assert [line.partition(":")[0] for line in verify(path).disagreements] == ["digest"]
    path.write_text(json.dumps({"n": 12, "d": 3, "points": POINTS.tolist()}))
    assert verify(path).claimed_in is None


def test_a_json_of_points_beside_claims_nothing(beside):
    checked = verify(beside({"n": 12, "d": 3, "points": POINTS.tolist()}))
    assert checked.claimed_in is None


ELSEWHERE = ["../x.npy", "/x.npy", "sub/x.npy", "./code.npy", ".", 3, None, ["code.npy"], {}]


@pytest.mark.parametrize("name", ELSEWHERE, ids=str)
def test_a_record_names_no_file_elsewhere(name, beside, tmp_path):
    np.save(tmp_path.parent / "x.npy", POINTS)  # it is there, and still not read
    beside({**honest(), "file": name})
    with pytest.raises(FileFormatError, match="it holds no `points`, and no `file` beside it that does") as caught:
        verify(tmp_path / "code.json")
    assert str(caught.value).startswith(f"{tmp_path / 'code.json'}: ")


@pytest.mark.parametrize("name", ["", ".."])
def test_a_record_names_no_folder(name, beside, tmp_path):
    beside({**honest(), "file": name})
    with pytest.raises(FileFormatError, match="it holds no `points`, and no `file` beside it that does"):
        verify(tmp_path / "code.json")


def test_a_record_whose_points_are_gone(beside, tmp_path):
    beside({**honest(), "file": "gone.npy"})
    with pytest.raises(FileAccessError, match=f"^{tmp_path / 'gone.npy'}: cannot be read"):
        verify(tmp_path / "code.json")


@pytest.mark.parametrize("text", ["", "no JSON", "[1, 2]", "null", '{"min_angle": 1.1', "\x00"], ids=repr)
def test_a_broken_record_is_refused(text, beside, tmp_path):
    path = beside(text)
    for given in (path, path.with_suffix(".json")):
        with pytest.raises(FileFormatError) as caught:
            verify(given)
        assert str(caught.value).startswith(f"{tmp_path / 'code.json'}: ")


@pytest.mark.parametrize("name", ["none.npy", "none.json", "code.unknown"])
def test_what_cannot_be_read(name, tmp_path):
    with pytest.raises(TammesError):
        verify(tmp_path / name)


# --- other points ---------------------------------------------------------------------------------


def test_float32_points_are_normalised_when_asked(beside):
    single = oracles.random_code(12, 3).astype(np.float32)
    double = single.astype(np.float64)
    angle = float(oracles.min_angle(double))  # of the directions, whatever their lengths
    record = {"min_angle": angle, "n": 12, "digest": "0" * 64, "contacts": {"tolerance": 1e-9, "count": 7}}
    path = beside(record, single)
    with pytest.raises(FileFormatError, match="on the unit sphere"):
        verify(path)
    assert verify(path, normalize=True).holds  # digest and counts are those of other points
    wrong = verify(beside({**record, "min_angle": angle + 1e-9, "n": 11}, single), normalize=True)
    assert [line.partition(":")[0] for line in wrong.disagreements] == ["n", "min_angle"]


def test_the_dimension_of_txt_files(tmp_path):
    path = tmp_path / "code.txt"
    path.write_text("".join(f"{value!r}\n" for value in POINTS.ravel().tolist()))
    path.with_suffix(".json").write_text(json.dumps(honest()))
    assert verify(path, d=3).holds
    with pytest.raises(InvalidParameterError, match=r"^`d` must be given"):
        verify(path)


def test_swapped_points_are_caught_by_the_digest_alone(beside):
    swapped = POINTS[[1, 0, *range(2, 12)]]
    assert [line.partition(":")[0] for line in verify(beside(honest(), swapped)).disagreements] == ["digest"]


def test_a_nudged_point_is_caught(beside):
    points = POINTS.copy()
    points[0] = oracles.normalized([points[0] + [0.0, 0.0, 1e-8]])[0]
    names = [line.partition(":")[0] for line in verify(beside(honest(), points)).disagreements]
    assert {"digest", "min_angle", "contacts"} <= set(names)


def refined(angle="63.4349488229220106484278", cosine="0.447213595499957939281834733746"):
    """The icosahedron in 30 digits, as `tammes polish --digits 30` writes it."""
    return {
        "schema": "tammes.refined/1",
        "n": 12,
        "d": 3,
        "digits": 30,
        "min_angle_degrees": angle,
        "max_cosine": cosine,
        "points": [[f"{value:.30f}" for value in row] for row in POINTS],
    }


def test_a_refined_code_is_read_and_verified(tmp_path):
    (tmp_path / "code.json").write_text(json.dumps(refined()))
    assert verify(tmp_path / "code.json").holds is True


@pytest.mark.parametrize(
    ("claim", "beginning"),
    [
        ({"angle": "63.44"}, "min_angle_degrees: claimed 63.44, measured 63.4349488"),
        ({"cosine": "0.4472"}, "max_cosine: claimed 0.4472, measured 0.447213"),
        ({"cosine": "a half"}, "max_cosine: claimed 'a half' (expected `float`, got `str`), measured 0.447213"),
    ],
)
def test_a_false_claim_of_many_digits_is_named(claim, beginning, tmp_path):
    (tmp_path / "code.json").write_text(json.dumps(refined(**claim)))
    (line,) = verify(tmp_path / "code.json").disagreements
    assert line.startswith(beginning)


@pytest.mark.parametrize(
    ("limits", "contacts", "rattlers"),
    [
        (CountLimits(points=12, dimension=2), 30, 0),
        (CountLimits(points=11, dimension=3), 30, 0),
        (CountLimits(points=11, dimension=2), None, None),
        (CountLimits(stressed=11), 30, None),
    ],
)
def test_contacts_and_rattlers_are_counted_up_to_the_limits(limits, contacts, rattlers):
    check = Verification(SphericalCode(POINTS), None, limits=limits)
    assert (check.contacts, check.rattlers) == (contacts, rattlers)
    assert (check.to_dict()["contacts"], check.to_dict()["rattlers"]) == (contacts, rattlers)
    assert check.holds


def test_the_minimal_vectors_of_leech_are_beyond_the_limits():
    limits = CountLimits()
    assert limits.points < 196_560
    assert limits.dimension < 24
