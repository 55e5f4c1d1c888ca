"""Certificates are checked as an outsider would, and refused for the right reason."""

import json

import oracles
import pytest

from tammes.base.errors import FileAccessError
from tammes.codes import certificates, optimality
from tammes.codes.spherical_code import SphericalCode
from tammes.storage.certificate_check import verify_certificate

CODE = SphericalCode(oracles.icosahedron())


@pytest.fixture
def certificate(tmp_path):
    """Writes a certificate of the icosahedron, with changes to its claim of local optimality; returns its path."""

    def write(**changes):
        local = optimality.local_optimality(CODE).to_dict() | changes
        vectors = certificates.rounded_vectors(CODE.points, 15)
        document = certificates.certificate(vectors, "10^15", {"local_optimality": local})
        path = tmp_path / "ico.cert.json"
        path.write_text(certificates.to_json(document))
        return path

    return write


def test_an_honest_certificate_holds(certificate):
    check = verify_certificate(certificate())
    assert check.holds
    assert check.refused == ""
    assert check.proved.startswith("12 points in R^3")
    assert check.local.startswith("strict; the stress balances to ")
    assert check.to_dict() == {
        "holds": True,
        "proved": check.proved,
        "local_optimality": check.local,
        "refused": "",
    }


def test_a_certificate_may_claim_the_angle_alone(tmp_path):
    vectors = certificates.rounded_vectors(CODE.points, 15)
    (tmp_path / "a.cert.json").write_text(certificates.to_json(certificates.certificate(vectors, "10^15", {})))
    check = verify_certificate(tmp_path / "a.cert.json")
    assert (check.holds, check.local) == (True, "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": "perfect"}, "it is not as this version writes it"),
        ({"verdict": "first-order"}, "`verdict` must be strict, as measured. Got 'first-order'."),
        ({"rank": 7}, "`rank` must be 21 of 21 degrees of freedom, as measured. Got 7 of 21."),
        ({"multipliers_times_10_18": []}, "`multipliers` must be one for each of the 30 contacts."),
        ({"contacts": [[0, 1]]}, "`multipliers` must be one for each of the 1 contacts."),
        ({"tolerance": None}, "it is not as this version writes it"),
    ],
    ids=["unknown verdict", "wrong verdict", "rank", "multipliers", "contacts", "tolerance"],
)
def test_a_false_claim_of_local_optimality_is_refused(certificate, changes, reason):
    check = verify_certificate(certificate(**changes))
    assert not check.holds
    assert check.proved  # of the angle, all the same
    assert check.local == ""
    assert check.refused.startswith(f"local optimality: {reason}")


def test_a_nudged_vector_is_refused(certificate):
    path = certificate()
    document = json.loads(path.read_text())
    document["points"][0][0] = document["points"][1][0]
    path.write_text(json.dumps(document))
    check = verify_certificate(path)
    assert not check.holds
    assert (check.proved, check.local) == ("", "")
    assert check.refused


def test_a_missing_certificate(tmp_path):
    with pytest.raises(FileAccessError, match="cannot be read"):
        verify_certificate(tmp_path / "none.cert.json")
