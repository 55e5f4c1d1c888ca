"""Lint, types, layers and the repository's own configuration are tests: one command checks everything."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ISSUE_FORMS = sorted(set((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) - {*ROOT.glob("**/config.yml")})
SCHEMAS = [
    *((path, "vendor.github-workflows") for path in WORKFLOWS),
    *((path, "custom.github-workflows-require-timeout") for path in WORKFLOWS),
    *((path, "vendor.github-issue-forms") for path in ISSUE_FORMS),
    (ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml", "vendor.github-issue-config"),
    (ROOT / ".github" / "dependabot.yml", "vendor.dependabot"),
    (ROOT / "CITATION.cff", "vendor.citation-file-format"),
]


def run(*command, **options):
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        pytest.param(["mypy"], marks=pytest.mark.slow),
        pytest.param(["mypy", "--python-version", "3.14", "--cache-dir", ".mypy_cache/newest"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_lint_and_types(command):
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


# --- workflows and other configuration --------------------------------------------------------


@pytest.mark.parametrize(("path", "schema"), SCHEMAS, ids=lambda value: getattr(value, "name", value))
def test_configuration_follows_its_schema(path, schema):
    done = run("check_jsonschema", "--builtin-schema", schema, "--default-filetype", "yaml", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_workflow_with_a_wrong_key_is_refused(tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:", 1))
    assert run("check_jsonschema", "--builtin-schema", "vendor.github-workflows", wrong).returncode == 1


def steps():
    """(name, step, job) of every step of every workflow."""
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            for k, step in enumerate(job["steps"]):
                yield f"{path.name} {name} {k}", step, job


SCRIPTS = {name: step["run"] for name, step, _ in steps() if "run" in step}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_of_a_workflow_is_bash(script):
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "${{" not in script  # what GitHub pastes into a script is not quoted; pass it through `env`


def test_files_that_workflows_name_exist():
    for name, step, job in steps():
        assert ("run" in step) != ("uses" in step), name
        assert job["timeout-minutes"] > 0, name
        for word in step.get("run", "").split():
            if word.startswith((".ci/", "tests/")):
                assert (ROOT / word).exists(), f"{name}: {word}"


def test_the_workflow_runs_ci_on_every_python_that_pyproject_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [line.rsplit(" ", 1)[1] for line in project["classifiers"] if "Python :: 3." in line]
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())["jobs"]["tests"]
    assert job["strategy"]["matrix"]["python"] == named
    assert any(step.get("run") == ".ci/run" for step in job["steps"])
    assert project["requires-python"] == f">={named[0]}"


def test_the_pre_commit_configuration_is_valid():
    done = run("pre_commit", "validate-config", ".pre-commit-config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_tool_that_is_used_is_pinned():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {entry.split(">=")[0].split("[")[0].lower() for extra in ("docs", "test") for entry in extras[extra]}
    assert names - {"tammes"} <= pinned
