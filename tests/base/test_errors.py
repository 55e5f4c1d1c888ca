"""The error tree: built-in parents, and one wording: name, requirement, value, remedy."""

import pickle

import numpy as np
import pytest

from tammes.base import errors
from tammes.base.errors import (
    ConflictingOptionsError,
    DeviceError,
    FileAccessError,
    FileFormatError,
    InvalidParameterError,
    InvalidPointsError,
    MissingPackageError,
    NotTabulatedError,
    TammesError,
    UnknownNameError,
    WorkersLostError,
)

PARENTS = {
    ConflictingOptionsError: ValueError,
    DeviceError: RuntimeError,
    FileAccessError: OSError,
    FileFormatError: ValueError,
    InvalidParameterError: ValueError,
    InvalidPointsError: ValueError,
    MissingPackageError: ImportError,
    NotTabulatedError: LookupError,
    UnknownNameError: LookupError,
    WorkersLostError: RuntimeError,
}


def test_every_public_error_is_in_the_table_of_parents():
    public = {getattr(errors, name) for name in errors.__all__}
    assert {each for each in public if isinstance(each, type)} == {*PARENTS, TammesError}


@pytest.mark.parametrize(("error", "parent"), PARENTS.items(), ids=lambda kind: kind.__name__)
def test_one_root_and_a_builtin_parent(error, parent):
    assert issubclass(error, TammesError)
    assert issubclass(error, parent)
    assert not issubclass(TammesError, (ValueError, LookupError, OSError, RuntimeError))


def test_invalid_points_are_an_invalid_parameter():
    assert issubclass(InvalidPointsError, InvalidParameterError)


@pytest.mark.parametrize("kind", [InvalidParameterError, InvalidPointsError])
@pytest.mark.parametrize(
    ("value", "remedy", "expected"),
    [
        (1, "", "`n` must be an integer of at least 2. Got 1."),
        (2.0, "", "`n` must be an integer of at least 2. Got 2.0."),
        (None, "", "`n` must be an integer of at least 2. Got None."),
        ("3", "", "`n` must be an integer of at least 2. Got '3'."),  # a lone word is a value: quoted
        ("", "", "`n` must be an integer of at least 2. Got ''."),
        ("row 3: [nan]", "", "`n` must be an integer of at least 2. Got row 3: [nan]."),  # a phrase is not
        (1, "Use two.", "`n` must be an integer of at least 2. Got 1. Use two."),
    ],
)
def test_invalid_parameter_names_requires_and_shows(kind, value, remedy, expected):
    error = kind("n", "an integer of at least 2", value, remedy)
    assert str(error) == expected
    assert (error.name, error.requirement, error.value) == ("n", "an integer of at least 2", value)


@pytest.mark.parametrize("value", [np.eye(3), "two words\nand a line"], ids=["array", "text"])
def test_a_message_is_one_line_whatever_the_value(value):
    assert "\n" not in str(InvalidParameterError("n", "an integer", value))


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("cosin", "cosine, mma, logarithmic"),
        ("logaritmic", "logarithmic, mma, cosine"),
        ("MMMA", "mma, cosine, logarithmic"),  # nothing close: the registry's order
        ("", "mma, cosine, logarithmic"),
    ],
)
def test_unknown_names_list_the_known_ones_closest_first(name, listed):
    error = UnknownNameError("loss", name, ["mma", "cosine", "logarithmic"])
    assert str(error) == f"`loss` must be one of: {listed}. Got {name!r}."
    assert (error.kind, error.name) == ("loss", name)


def test_closer_of_two_close_names_comes_first():
    assert "one of: tables, table, zeta." in str(UnknownNameError("x", "tabless", iter(["zeta", "table", "tables"])))


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "`--json` and `--csv` exclude each other. Leave one of them out."),
        (
            "both fill the output",
            "`--json` and `--csv` exclude each other: both fill the output. Leave one of them out.",
        ),
    ],
)
def test_conflicting_options_are_both_named(reason, message):
    error = ConflictingOptionsError("--json", "--csv", reason)
    assert str(error) == message
    assert error.options == ("--json", "--csv")


@pytest.mark.parametrize("kind", [FileAccessError, FileFormatError])
@pytest.mark.parametrize(("remedy", "end"), [("", ""), ("Use --force to replace it.", " Use --force to replace it.")])
def test_file_errors_begin_with_the_path(kind, remedy, end, tmp_path):
    path = tmp_path / "code.npy"
    error = kind(str(path), "the file exists", remedy)
    assert str(error) == f"{path}: the file exists.{end}"
    assert error.path == path


@pytest.mark.parametrize("kind", [DeviceError, NotTabulatedError, TammesError])
def test_plain_errors_keep_their_message(kind):
    assert str(kind("a sentence.")) == "a sentence."  # a KeyError among the parents would quote it


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidParameterError("n", "an integer of at least 2", 1),
        errors.UnknownNameError("loss", "mna", ["mma"]),
        errors.FileAccessError("a.npy", "the file exists"),
        errors.DeviceError("no CUDA"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
