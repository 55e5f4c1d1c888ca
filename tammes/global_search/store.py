"""What a search keeps on disk: its best codes in the archive, and its state in a file of its own.

A state is one `.npz` file, replaced whole by a rename, so that a kill in the middle of a write leaves the state before
it. Whatever cannot be used is set aside, not deleted, and the search begins anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tammes.base import geometry
from tammes.base.errors import FileAccessError
from tammes.base.geometry import Floats
from tammes.base.status import Status
from tammes.codes.antipodal import is_antipodal
from tammes.codes.spherical_code import SphericalCode
from tammes.global_search.pool import Member
from tammes.global_search.problem import Problem
from tammes.global_search.state import SearchState
from tammes.global_search.strategy import Strategy
from tammes.global_search.tasks import ARCHIVED
from tammes.storage import formats as files
from tammes.storage.archive import Archive, ArchiveWarning
from tammes.storage.result import Result

__all__ = ["SavedSearchWarning", "SearchStore", "state_path"]

SCHEMA = "tammes.search/2"
_FIRST_SCHEMA = "tammes.search/1"  # of the portfolio alone, until version 0.1


class SavedSearchWarning(ArchiveWarning):
    """A saved search cannot be used or written, with the reason."""


def state_path(folder: Path, problem: Problem, strategy: Strategy) -> Path:
    """Return where the state of a search lies in an archive's folder: a file for each choice of settings."""
    symmetry = "" if problem.symmetry == "auto" else "_" + re.sub(r"[^A-Za-z0-9]+", "-", problem.symmetry)
    suffix = f"_seed{problem.seed}{symmetry}{'_antipodal' if problem.antipodal else ''}"
    if strategy.name != "portfolio":
        starts = strategy.identity.get("starts")
        suffix += f"_{strategy.name}{'' if starts is None else f'_starts{starts}'}"
    return folder / "search" / f"d{problem.d}_n{problem.n:05d}{suffix}.npz"


class SearchStore:
    """Keeps the state of a search in a file, and its codes in an archive; without either, keeps nothing.

    Args:
        path: file of the state; None keeps none.
        archive: where codes are kept; None keeps none.
        resume: take up the stored state and the archive's code.
        seconds: how often the state is written.
        on_improvement: write it after every improvement too.
        transient: remove the state at the end, unless Ctrl-C ended the run.
        clock: monotonic seconds; tests pass their own.
    """

    def __init__(
        self,
        path: Path | None = None,
        archive: Archive | None = None,
        *,
        resume: bool = True,
        seconds: float = 60.0,
        on_improvement: bool = False,
        transient: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.archive = archive
        self._resume = resume
        self._seconds = seconds
        self._on_improvement = on_improvement
        self._transient = transient
        self._clock = clock
        self._written = clock()
        self._offered = 0.0  # angle of the last code offered to the archive

    # --- the state ------------------------------------------------------------------------------

    def load(self, state: SearchState, strategy: Strategy) -> bool:
        """Take up an earlier search of the same problem, and the archive's code; return True if there was a search.

        A state that cannot be used is set aside with a `SavedSearchWarning`.
        """
        resumed = self._resume and self._load(state, strategy)
        problem = state.problem
        plain = problem.symmetry in ("auto", "none")  # a prescribed symmetry is not that of any stored code
        if self.archive is not None and self._resume and plain:
            entry = self.archive.get(problem.n, problem.d, problem.antipodal)
            if entry is not None:
                group = problem.prescribed
                name = None if group is None else group.name
                state.pool.add(Member(entry.code.points, entry.code.min_angle, ARCHIVED, "archive", name))
        return resumed

    def _load(self, state: SearchState, strategy: Strategy) -> bool:
        if self.path is None or not self.path.exists():
            return False
        try:
            document, arrays = _read(self.path)
            _check(document, state.problem, strategy)
            members = _members(document["members"], arrays.pop("members"), state.problem)
            loop = {name: int(document["loop"][name]) for name in ("applied", "tried")}
            evaluations = float(document["loop"]["evaluations"])
            state.pool.members = members
            strategy.restore(document["strategy"]["state"], arrays, state)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError, EOFError) as error:
            self._set_aside(str(error) or type(error).__name__)
            state.pool.members = []
            return False
        except zipfile.BadZipFile as error:
            self._set_aside(str(error))
            return False
        state.applied, state.tried, state.evaluations = loop["applied"], loop["tried"], evaluations
        state.planned, state.planned_starts = state.applied, state.tried
        return True

    def _set_aside(self, reason: str) -> None:
        """Rename the file, and warn."""
        assert self.path is not None
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
            number += 1
        self.path.rename(aside)
        warnings.warn(
            f"{self.path}: {' '.join(reason.split())}; the search begins anew, the old state is kept as {aside.name}",
            SavedSearchWarning,
            stacklevel=2,
        )

    def _save(self, state: SearchState, strategy: Strategy) -> None:
        """Write the state, atomically; what hinders it is a warning, not the end of the search."""
        if self.path is None:
            return
        self._written = self._clock()
        problem, members = state.problem, state.pool.members
        values, arrays = strategy.to_dict()
        document = {
            "schema": SCHEMA,
            "problem": asdict(problem),
            "strategy": {"name": strategy.name, "identity": strategy.identity, "state": values},
            "loop": {"applied": state.applied, "tried": state.tried, "evaluations": state.evaluations},
            "members": [
                {"angle": m.angle, "status": m.status, "arm": m.arm, "group": m.group, "hops": m.hops} for m in members
            ],
        }
        points = np.stack([m.points for m in members]) if members else np.zeros((0, problem.n, problem.d))
        arrays = {"members": points, **arrays}
        document["digest"] = _digest(document, arrays)
        buffer = io.BytesIO()
        np.savez(buffer, **{"state": np.array(json.dumps(document)), **arrays})  # type: ignore[arg-type]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(self.path, buffer.getvalue(), force=True)
        except (FileAccessError, OSError) as error:
            warnings.warn(
                f"the state of the search cannot be saved: {error}; the search goes on",
                SavedSearchWarning,
                stacklevel=2,
            )

    def close(self, state: SearchState, strategy: Strategy, status: Status) -> None:
        """Keep the state at the end of a run, or remove it where nothing is left to do."""
        if self.path is None:
            return
        if status is Status.INTERRUPTED or not (self._transient or status is Status.REPAIRED):
            if state.best is not None:
                self._save(state, strategy)
        else:
            self.path.unlink(missing_ok=True)

    # --- codes ----------------------------------------------------------------------------------

    def keep(self, state: SearchState, strategy: Strategy, *, improved: bool) -> None:
        """Keep what the last outcome has changed.

        Raises:
            FileAccessError: if a code cannot be kept.
        """
        best = state.best
        if best is None:
            return
        if self.archive is not None and best.angle > self._offered:
            self._offered = best.angle
            if best.arm != "archive":
                method = strategy.report(state, Status.INTERRUPTED).method
                settings = {"seed": state.problem.seed}
                record = {"method": list(method), "settings": settings, "found_by": best.arm}
                self._offer(state.problem, SphericalCode(best.points), record)
        if (improved and self._on_improvement) or self._clock() - self._written >= self._seconds:
            self._save(state, strategy)

    def offer(self, result: Result) -> None:
        """Offer the final result to the archive, which keeps it only where it has nothing as good.

        Raises:
            FileAccessError: if it cannot be kept.
        """
        if self.archive is not None:
            antipodal = result.antipodal and is_antipodal(result.code)
            if antipodal:
                self.archive.offer(result, antipodal=True)
            self.archive.offer(result)

    def _offer(self, problem: Problem, code: SphericalCode, record: dict[str, Any]) -> None:
        """Offer an improvement to the archive, of lines as well."""
        assert self.archive is not None
        if problem.antipodal and is_antipodal(code):
            self.archive.offer(code, record, antipodal=True)
        self.archive.offer(code, record)

    def place(self, problem: Problem) -> Path | None:
        """Return where the best code is kept; None where none is."""
        return None if self.archive is None else self.archive.path_of(problem.n, problem.d, problem.antipodal)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return the document and the arrays of a state.

    Raises:
        ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile: if the file holds none.
    """
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        document: dict[str, Any] = json.loads(str(stored["state"]))
        arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in stored.files if name != "state"}
    schema = document["schema"]
    if schema == _FIRST_SCHEMA:
        return _converted(document), {"members": arrays["points"]}
    if schema != SCHEMA:
        raise ValueError(f"a state of another version ({schema}, this is {SCHEMA})")
    if document.pop("digest") != _digest(document, arrays):
        raise ValueError("its content is damaged")
    return document, arrays


def _converted(old: dict[str, Any]) -> dict[str, Any]:
    """Return a state of the first schema in the form of this one."""
    own = {name: old[name] for name in ("settled", "hits", "groups", "shares")}
    return {
        "problem": old["problem"],
        "strategy": {"name": "portfolio", "identity": {}, "state": own},
        "loop": {"applied": old["applied"], "tried": old["tried"], "evaluations": old["work"]},
        "members": old["members"],
    }


def _digest(document: dict[str, Any], arrays: dict[str, Floats]) -> str:
    """Return the SHA-256 of a state."""
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _check(document: dict[str, Any], problem: Problem, strategy: Strategy) -> None:
    """Raise a ValueError unless the state belongs to this problem and strategy."""
    own = {**asdict(problem), "strategy": strategy.name, **strategy.identity}
    kept = document["strategy"]
    theirs = {**document["problem"], "strategy": kept["name"], **kept["identity"]}
    names = [name for name in {**own, **theirs} if own.get(name) != theirs.get(name)]
    if names:
        differ = ", ".join(f"{name} = {theirs.get(name)}, here {own.get(name)}" for name in names)
        raise ValueError(f"it was made with other settings ({differ})")


def _members(records: list[dict[str, Any]], points: Floats, problem: Problem) -> list[Member]:
    """Return the codes of a stored pool, measured anew.

    Raises:
        ValueError: if one is no code of the problem.
    """
    rows_of = points.reshape(len(records), problem.n, problem.d)
    members = []
    for rows, record in zip(rows_of, records, strict=True):
        if not math.isfinite(float(record["angle"])):
            raise ValueError("its angles are damaged")
        angle = geometry.min_angle(geometry.as_points(rows))
        member = Member(rows, angle, str(record["status"]), str(record["arm"]), record["group"])
        member.hops = int(record["hops"])
        members.append(member)
    return members
