"""Points and record are written together, and a full disk loses neither."""

import json
from pathlib import Path

import pytest

import tammes
from tammes.base.errors import FileAccessError
from tammes.storage import formats as files
from tammes.storage import writer as records


def test_points_and_record_lie_side_by_side(tmp_path):
    result = tammes.solve(5, 4)
    saved = records.save_with_record(result, tmp_path / "a.npy")
    assert saved == [str(tmp_path / "a.npy"), str(tmp_path / "a.json")]
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["file"] == "a.npy"
    assert record["digest"] == files.load(tmp_path / "a.npy").digest


def test_one_json_file_holds_both(tmp_path):
    saved = records.save_with_record(tammes.solve(5, 4), tmp_path / "a.json")
    assert saved == [str(tmp_path / "a.json")]
    assert files.load(tmp_path / "a.json").digest == json.loads((tmp_path / "a.json").read_text())["digest"]


def test_what_cannot_be_written_here_is_saved_elsewhere(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"kept")
    with pytest.raises(FileAccessError, match=r"the file exists\. The code was saved as") as caught:
        records.save_with_record(tammes.solve(5, 4), tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == b"kept"
    rescued = Path(str(caught.value).split("saved as ")[1].split(" instead")[0])
    assert files.load(rescued).n == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_record_holds_no_missing_number(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.to_json({"angle": value})
