"""A large run on disk, so that the same command goes on after a kill: one file, replaced whole by a rename."""

from __future__ import annotations

import io
import json
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tammes.base.errors import FileAccessError, FileFormatError
from tammes.base.geometry import Floats
from tammes.storage import formats as files

__all__ = ["SCHEMA", "Checkpoint", "CheckpointWarning"]

SCHEMA = "tammes.large/3"

_SECONDS = 60.0
_REMEDY = "Move it away, or name another output, to begin anew."


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, with the reason; the run goes on."""


class Checkpoint:
    """The state of one run: JSON-ready values, and arrays of points.

    Args:
        path: the file; None keeps nothing.
        problem: what the run is for; a file of another problem is refused.
        clock: monotonic seconds; tests pass their own.
    """

    def __init__(self, path: Path | None, problem: dict[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._problem = problem
        self._clock = clock
        self._written = clock()

    def load(self) -> tuple[dict[str, Any], dict[str, Floats]] | None:
        """The state of an earlier run of the same problem; None where there is no file.

        Raises:
            FileFormatError: if the file is damaged, or of another version or problem.
            FileAccessError: if it cannot be read.
        """
        if self.path is None or not self.path.exists():
            return None
        content = files.read_bytes(self.path)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                document = json.loads(str(stored["state"]))
                arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in stored.files if name != "state"}
            schema, problem, state = document["schema"], document["problem"], document["values"]
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise FileFormatError(self.path, f"not a checkpoint of a large run ({reason})", _REMEDY) from None
        if schema != SCHEMA:
            raise FileFormatError(self.path, f"a checkpoint of another version ({schema}, this is {SCHEMA})", _REMEDY)
        if problem != self._problem:
            names = sorted(problem.keys() | self._problem.keys())
            other = ", ".join(
                f"{name} = {problem.get(name)}, here {self._problem.get(name)}"
                for name in names
                if problem.get(name) != self._problem.get(name)
            )
            raise FileFormatError(self.path, f"a checkpoint of another problem ({other})", _REMEDY)
        return state, arrays

    def due(self) -> bool:
        """Whether a minute has passed since the last one."""
        return self.path is not None and self._clock() - self._written >= _SECONDS

    def save(self, values: dict[str, Any], arrays: dict[str, Floats]) -> None:
        """Write the state, atomically; what hinders it is a warning, not the end of the run."""
        if self.path is None:
            return
        buffer = io.BytesIO()
        document = {"schema": SCHEMA, "problem": self._problem, "values": values}
        np.savez(buffer, **{"state": np.array(json.dumps(document)), **arrays})  # type: ignore[arg-type]
        self._written = self._clock()
        try:
            files.write_atomically(self.path, buffer.getvalue(), force=True)
        except FileAccessError as error:
            warnings.warn(f"no checkpoint: {error}; the run goes on", CheckpointWarning, stacklevel=2)

    def remove(self) -> None:
        """Forget the run: it is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
