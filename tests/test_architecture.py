"""The house: which module may import which, how long a module may be, what start-up may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tammes"

# A module imports only from floors below its own.
FLOORS = {
    "checker": 0,
    "errors": 0,
    "algebraic": 1,
    "bounds.bound": 1,
    "bounds.gegenbauer": 1,
    "geometry": 1,
    "layers": 1,
    "nn.rows": 1,
    "memory": 1,
    "pairs": 1,
    "solvers.run": 1,
    "bounds.classical": 2,
    "bounds.linear_program": 2,
    "bounds.schlaefli": 2,
    "bounds.universal": 2,
    "certificates": 2,
    "checkpoints": 2,
    "closed_forms": 2,
    "losses.loss": 2,
    "nn.selection": 2,
    "guarantee": 2,
    "solvers.bordered": 2,
    "solvers.cells": 2,
    "solvers.device_memory": 2,
    "solvers.fused": 2,
    "solvers.kernels": 2,
    "stress": 2,
    "symmetry": 2,
    "bounds.best": 3,
    "bounds.delsarte": 3,
    "constructions.polytopes": 3,
    "losses.energy": 3,
    "losses.nearest": 3,
    "constructions.sequences": 3,
    "point_groups": 3,
    "solvers.continuation": 4,
    "solvers.forces": 3,
    "solvers.interior": 3,
    "solvers.neighbourhoods": 4,
    "solvers.prototypes": 3,
    "solvers.sgd": 3,
    "solvers.truncated": 3,
    "spherical_code": 3,
    "bounds.comparison": 4,
    "constructions.roots": 4,
    "constructions.spread": 4,
    "files": 4,
    "hunting.deletion": 4,
    "hunting.journal": 4,
    "hunting.moves": 4,
    "hunting.pool": 4,
    "hunting.problem": 4,
    "hunting.shares": 4,
    "hunting.starts": 4,
    "hunting.symmetric": 4,
    "isometry": 4,
    "losses.functional": 4,
    "losses.modules": 4,
    "losses.registry": 4,
    "nn.presets": 4,
    "optimality": 4,
    "refine": 4,
    "solvers.compiled": 4,
    "solvers.large": 5,
    "solvers.quasi_newton": 4,
    "solvers.polish": 4,
    "tables": 4,
    "weights": 4,
    "constructions.binary": 5,
    "hunting.attempts": 7,
    "hunting.plans": 0,
    "hunting.products": 9,
    "hunting.stored_runs": 5,
    "hunting.copies": 6,
    "constructions.families": 5,
    "hunting.rounds": 5,
    "inspection": 5,
    "nn.layer_report": 5,
    "plots": 5,
    "result": 5,
    "solvers.squeeze": 6,
    "bench_report": 6,
    "constructions.graphs": 6,
    "hunting.threads": 4,
    "hunting.acceptance": 6,
    "hunting.many": 7,
    "hunting.crew": 7,
    "layer_plots": 6,
    "nn.regularizer": 6,
    "options": 6,
    "records": 6,
    "verification": 6,
    "constructions.catalogue": 7,
    "hunting.archive": 7,
    "hunting.hunt": 8,
    "hunting.cluster": 8,
    "nn.callbacks": 7,
    "report": 7,
    "constructions.parts": 8,
    "hunting.exchange": 8,
    "hunting.saved": 9,
    "lookup": 8,
    "nn.lightning": 8,
    "nn.transformers": 8,
    "terminal": 8,
    "hunting.generations": 8,
    "hunting.scale": 9,
    "hunting.session": 10,
    "hunting.tensor": 9,
    "api": 11,
    "directions": 11,
    "hunting.sweep": 11,
    "bench": 12,
    "commands.archive": 12,
    "commands.bound": 12,
    "commands.certify": 12,
    "commands.compare": 12,
    "commands.construct": 12,
    "commands.inspect": 12,
    "commands.polish": 12,
    "commands.table": 12,
    "hunting.packing": 12,
    "nn.classifier": 12,
    "nn.init": 12,
    "commands.search": 13,
    "cli": 14,
    "__main__": 15,
}
# The search wing, with all of losses and nn; the last two load it when they run.
TORCH = {"checkpoints", "directions", "layers", "pairs", "solvers.continuation", "solvers.prototypes", "solvers.sgd"}
TORCH |= {"api", "bench", "solvers.device_memory", "solvers.forces", "solvers.fused"}
TORCH |= {"solvers.neighbourhoods"}
NUMBA = {"solvers.kernels", "solvers.cells", "solvers.quasi_newton", "solvers.truncated"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path, *, typing_too=False):
    """Absolute names of what a module imports, anywhere in it."""
    tree = ast.parse(path.read_text())
    skipped = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not typing_too
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                known = full.removeprefix("tammes.") in FLOORS
                yield full if known else node.module


def ours(path):
    return {name.removeprefix("tammes.") for name in imports(path) if name.startswith("tammes.")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_floors_below(path):
    name = name_of(path)
    if name.endswith("__init__"):
        pytest.skip("front doors: lazy names only")
    for other in ours(path):
        assert FLOORS[other] < FLOORS[name], f"{name} imports {other}"


def test_every_module_stands_on_a_floor():
    names = {name_of(path) for path in MODULES if not name_of(path).endswith("__init__")}
    assert names == set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_search_wing_imports_torch(path):
    if any(name == "torch" or name.startswith("torch.") for name in imports(path)):
        name = name_of(path)
        assert name in TORCH or name.startswith(("losses.", "nn."))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_one_module_imports_numba(path):
    if any(name == "numba" or name.startswith("numba.") for name in imports(path)):
        assert name_of(path) in NUMBA


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nobody_imports_pyplot(path):
    assert not any("pyplot" in name for name in imports(path, typing_too=True))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_too_long(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("name", sorted(set(FLOORS) - {"__main__"}))
def test_every_module_has_its_test(name):
    last = name.rsplit(".", maxsplit=1)[-1]
    assert (Path(__file__).parent / f"test_{last}.py").is_file()


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["solve", "--help"],
        ["table", "--d", "3", "--n", "30"],
        ["verify", "{file}"],
        ["search", "--help"],
        ["polish", "--help"],
        ["inspect", "--help"],
        ["archive", "export", "--help"],
    ],
    ids=" ".join,
)
def test_light_commands_load_nothing_heavy(command, tmp_path):
    import numpy as np

    file = tmp_path / "square.npy"
    np.save(file, [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    script = (
        "import sys\n"
        "from tammes.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'numba', 'matplotlib.pyplot', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    arguments = [part.format(file=file) for part in command]
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout
