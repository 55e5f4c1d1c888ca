"""What is installed works without the checkout: the wheel is built, installed and run elsewhere."""

import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import tammes

ROOT = Path(__file__).parents[1]


def run(*command, cwd, **options):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, ROOT),
        cwd=folder,
    )
    return next(folder.glob("tammes-*.whl"))


def test_the_wheel_holds_package_tables_and_licence(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("tammes/py.typed", "tammes/cli/main.py", "tammes/sloane_tables/sloane_d3.csv"):
        assert needed in names
    assert any(name.endswith("LICENSE") for name in names)
    assert not any(name.startswith(("tests", "benchmarks", "docs")) for name in names)
    tables = {path.name for path in (ROOT / "sloane_tables").rglob("*.csv")}
    assert {Path(name).name for name in names if name.endswith(".csv")} == tables


def test_the_wheel_says_what_pyproject_says(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(name).decode())
    assert metadata["Requires-Python"] == project["requires-python"]
    assert set(metadata.get_all("Project-URL")) == {f"{key}, {url}" for key, url in project["urls"].items()}
    assert set(metadata.get_all("Provides-Extra")) == set(project["optional-dependencies"])


@pytest.mark.slow
def test_the_wheel_runs_outside_the_checkout(wheel, tmp_path, monkeypatch):
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--no-deps", wheel, cwd=tmp_path)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=tmp_path).strip())
    # The dependencies of the outer environment, after the wheel's own package.
    (site / "outer.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    where = run(python, "-c", "import tammes; print(tammes.__file__)", cwd=tmp_path)
    assert Path(where.strip()).parent.parent == site
    script = tmp_path / "env" / "bin" / "tammes"
    assert "38.59711595387" in run(script, "table", "--d", "3", "--n", "30", cwd=tmp_path)
    assert "109.471220634491°" in run(script, "solve", "--d", "3", "--n", "4", cwd=tmp_path)
    assert "agrees" in run(script, "verify", "tammes_d3_n4.npy", cwd=tmp_path)


def test_a_plain_checkout_finds_its_tables(tmp_path):
    code = "from tammes import tables as t; print(t.folder(), t.best_known(30, 3).degrees)"
    out = run(sys.executable, "-c", code, cwd=ROOT)
    assert "38.59711595387" in out


@pytest.mark.parametrize("name", sorted(tammes.__all__))
def test_a_public_name_is_the_same_at_every_access(name):
    """In a process of its own: importing a submodule sets it as an attribute, and must not hide a function."""
    code = f"import tammes; first = tammes.{name}; assert tammes.{name} is first; print(type(first).__name__)"
    kind = run(sys.executable, "-c", code, cwd=ROOT).strip()
    functions = {"codebook", "load", "lookup", "save", "search", "solve"}
    assert kind == ("function" if name in functions else "type" if name[0].isupper() else "module")


def test_the_public_door_is_lazy():
    assert set(tammes.__all__) <= set(dir(tammes))
    assert tammes.__version__
    with pytest.raises(AttributeError, match="no attribute 'sove'"):
        tammes.sove  # noqa: B018
    loaded = run(sys.executable, "-c", "import sys, tammes; print('torch' in sys.modules)", cwd=ROOT)
    assert loaded.strip() == "False"
