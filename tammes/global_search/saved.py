"""A search on disk: its pool and its place in the stream of random numbers, so that it goes on later.

One file a problem and its settings, in `search/` of the archive, replaced whole by a rename: a kill in the middle of
a write leaves the state before it.
"""

from __future__ import annotations

import io
import json
import math
import re
import warnings
import zipfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tammes.base.errors import FileAccessError
from tammes.global_search.hunt import Hunt
from tammes.global_search.pool import Member, fingerprint
from tammes.global_search.problem import Problem
from tammes.storage import formats as files

__all__ = ["SavedSearchWarning", "path_of", "restore", "save"]

SCHEMA = "tammes.search/1"


class SavedSearchWarning(UserWarning):
    """A saved search cannot be used, with the reason; it is set aside, not deleted."""


def path_of(folder: Path, problem: Problem) -> Path:
    """Where the state of a search lies: one file for each choice of seed, symmetry and pairs."""
    symmetry = "" if problem.symmetry == "auto" else "_" + re.sub(r"[^A-Za-z0-9]+", "-", problem.symmetry)
    suffix = f"_seed{problem.seed}{symmetry}{'_antipodal' if problem.antipodal else ''}"
    return folder / "search" / f"d{problem.d}_n{problem.n:05d}{suffix}.npz"


def save(path: Path, hunt: Hunt) -> None:
    """Write the state, atomically.

    Raises:
        FileAccessError: if the folder cannot be written.
    """
    members = hunt.pool.members
    state = {
        "schema": SCHEMA,
        "problem": asdict(hunt.problem),
        "applied": hunt.applied,
        "tried": hunt.tried,
        "work": hunt.work,
        "settled": hunt.settled,
        "hits": dict(hunt.hits),
        "groups": hunt.groups,
        "shares": hunt.shares.to_dict(),
        "members": [
            {"angle": m.angle, "status": m.status, "arm": m.arm, "group": m.group, "hops": m.hops} for m in members
        ],
    }
    buffer = io.BytesIO()
    points = np.stack([m.points for m in members]) if members else np.zeros((0, hunt.problem.n, hunt.problem.d))
    np.savez(buffer, points=points, state=np.array(json.dumps(state)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(path.parent, str(error.strerror or error), "Choose another --archive.") from None
    files.write_atomically(path, buffer.getvalue(), force=True)


def restore(path: Path, hunt: Hunt) -> bool:
    """Take up the state at `path`, if there is one of the same problem and seed; True if so.

    A file of another problem, or a damaged one, is set aside with a warning, and the search begins anew.
    """
    if not path.exists():
        return False
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            state: dict[str, Any] = json.loads(str(stored["state"]))
            points = np.asarray(stored["points"], dtype=np.float64)
        _check(state, hunt.problem)
        rows_of = points.reshape(len(state["members"]), hunt.problem.n, hunt.problem.d)
        members = [
            Member(rows, float(m["angle"]), m["status"], m["arm"], m["group"], fingerprint(rows), int(m["hops"]))
            for rows, m in zip(rows_of, state["members"], strict=True)
        ]
        hunt.shares.restore(state["shares"])
        hunt.pool.members = members
        hunt.hits = Counter(state["hits"])
        hunt.groups.update({name: list(map(int, counts)) for name, counts in state["groups"].items()})
        hunt.applied, hunt.tried, hunt.work = int(state["applied"]), int(state["tried"]), float(state["work"])
        hunt.settled = int(state["settled"])
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        aside = _free_name(path)
        path.rename(aside)
        reason = str(error) or type(error).__name__
        warnings.warn(
            f"{path}: {reason}; the search begins anew, the old state is kept as {aside.name}",
            SavedSearchWarning,
            stacklevel=2,
        )
        return False
    return True


def _check(state: dict[str, Any], problem: Problem) -> None:
    """Raise unless the state belongs to this problem."""
    if state["schema"] != SCHEMA:
        raise ValueError(f"not a {SCHEMA} file")
    own = asdict(problem)
    if state["problem"] != own:
        theirs = {key: value for key, value in state["problem"].items() if value != own.get(key)}
        raise ValueError(f"it was made with other settings: {theirs}")
    if not all(math.isfinite(member["angle"]) for member in state["members"]):
        raise ValueError("its angles are damaged")


def _free_name(path: Path) -> Path:
    """A name beside `path` that is not taken."""
    k = 1
    while (aside := path.with_name(f"{path.name}.old-{k}")).exists():
        k += 1
    return aside
