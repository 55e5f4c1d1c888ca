"""The archive: the best code of every size, measured, with its provenance, safe between processes.

=============================  ==============================================================
`d3/n00130.json`               130 points in R^3: the record, with the points under `points`
`d3/n00130_antipodal.json`     the best set of 65 pairs +-x (lines) there
`d3/n00130.json.corrupt-1`     what lay in the place of a code and was none; kept, never read
`log.jsonl`                    one line an improvement, only ever appended to
`search/`                      saved state of searches; not this module's
`.lock`                        held while a code is compared and replaced
=============================  ==============================================================

One file a code, so that points and provenance cannot disagree; `tammes verify` checks it like any
other. Readers need no lock: a file is replaced whole, by a rename.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tammes.base.errors import (
    FileAccessError,
    FileFormatError,
    InvalidParameterError,
    InvalidPointsError,
    NotTabulatedError,
)
from tammes.codes.deletion import best_deletion, check_antipodal, is_antipodal
from tammes.codes.spherical_code import SphericalCode
from tammes.constructions.closed_forms import check_size
from tammes.storage import formats as files
from tammes.storage import journal
from tammes.storage.result import Result
from tammes.storage.verification import TOLERANCE
from tammes.storage.writer import to_json

__all__ = ["IMPROVEMENT", "Archive", "ArchiveWarning", "Entry", "Offered", "default_folder"]

IMPROVEMENT = 1e-12
"""A code is replaced by one whose minimal angle is larger by more than this, radians."""

LOCK_SECONDS = 60.0
"""How long another process is waited for; it holds the lock for milliseconds, unless it is stopped."""

# What a record says about its points is measured here; what came with a code is only its provenance.
_MEASURED = {"schema", "contacts", "rattlers", "best_known", "bound", "file", "points", "antipodal", "archived"}
_NAME = re.compile(r"n(\d{5,})(_antipodal)?\.json")


class ArchiveWarning(UserWarning):
    """A file in the archive is skipped, with the reason; nothing is deleted."""


@dataclass(frozen=True)
class Entry:
    """A code in the archive."""

    code: SphericalCode
    record: dict[str, Any]
    """Measurements and provenance, without the points."""
    path: Path
    antipodal: bool


@dataclass(frozen=True)
class Offered:
    """What became of a code that was offered."""

    n: int
    d: int
    antipodal: bool
    kept: bool
    previous: float | None
    """Minimal angle of the stored code before, radians; None where there was none."""
    angle: float
    """Measured minimal angle of the offered code, radians."""
    path: Path
    """The archive's file for this size."""
    deletions: tuple[Offered, ...] = ()
    """What was kept of the codes with fewer points that follow from a kept one."""


def default_folder() -> Path:
    """Where the archive lies: `TAMMES_ARCHIVE` if set, else `archive` in the user's data folder of `tammes`."""
    if named := os.environ.get("TAMMES_ARCHIVE"):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("tammes", appauthor=False) / "archive"


class Archive:
    """The best codes found so far: one for every (n, d), and one of pairs +-x for every (n, d).

    Args:
        folder: where it lies; `default_folder()` if None. It is made by the first code that is kept;
            a folder that is not there is an empty archive.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = default_folder() if folder is None else Path(folder)

    def __repr__(self) -> str:
        return f"Archive({str(self.folder)!r})"

    def path_of(self, n: int, d: int, antipodal: bool = False) -> Path:
        """The file of one problem, there or not.

        Raises:
            InvalidParameterError: unless n and d are integers of at least 2.
        """
        n, d = check_size(n, d)
        return self.folder / f"d{d}" / f"n{n:05d}{'_antipodal' if antipodal else ''}.json"

    def get(self, n: int, d: int, antipodal: bool = False) -> Entry | None:
        """The stored code of one problem, measured anew, or None.

        A file that cannot be read, is no record of such a code, or claims an angle or digest that its
        points do not have is skipped with an `ArchiveWarning` and left as it is.

        Args:
            n: number of points.
            d: dimension of the space.
            antipodal: the problem of point sets made of pairs +-x.

        Raises:
            InvalidParameterError: unless n and d are integers of at least 2.
        """
        try:
            return self._read(n, d, antipodal)
        except (FileAccessError, FileFormatError) as error:
            warnings.warn(f"{error} It is skipped.", ArchiveWarning, stacklevel=2)
            return None

    def require(self, n: int, d: int, antipodal: bool = False) -> Entry:
        """As `get`, for those who cannot go on without.

        Raises:
            InvalidParameterError: unless n and d are integers of at least 2.
            NotTabulatedError: if there is no such code.
        """
        entry = self.get(n, d, antipodal)
        if entry is None:
            kind = "antipodal code" if antipodal else "code"
            raise NotTabulatedError(f"No {kind} with n = {n}, d = {d} in the archive {self.folder}.")
        return entry

    def entries(self, d: int | None = None) -> Iterator[Entry]:
        """Every stored code, read one after the other, ordered by d, then n; of one dimension if d is given.

        Files that `get` would skip are skipped with the same warning; other files are not looked at.

        Raises:
            InvalidParameterError: if d is given, and is not an integer of at least 2.
            FileAccessError: if a folder cannot be listed.
        """
        if d is not None:
            _, d = check_size(2, d)
        for dimension in self._dimensions() if d is None else [d]:
            sizes = []
            for name in _names(self.folder / f"d{dimension}"):
                match = _NAME.fullmatch(name)
                if match and int(match[1]) >= 2:
                    sizes.append((int(match[1]), bool(match[2]), name))
            for n, antipodal, name in sorted(sizes):
                if self.path_of(n, dimension, antipodal).name == name and (entry := self.get(n, dimension, antipodal)):
                    yield entry

    def log(self) -> Iterator[dict[str, Any]]:
        """The improvements, oldest first: time (UTC), n, d, antipodal, old and new degrees, digest, method.

        A line that is no JSON object, as a killed process may leave, is skipped with an `ArchiveWarning`.

        Raises:
            FileAccessError: if the log is there and cannot be read.
        """
        for k, line in journal.read(self.folder / "log.jsonl"):
            if line is None:
                warnings.warn(f"{self.folder / 'log.jsonl'}: line {k} is no JSON object.", ArchiveWarning, stacklevel=2)
            else:
                yield line

    def offer(
        self, code: Result | SphericalCode, record: Mapping[str, Any] | None = None, antipodal: bool = False
    ) -> Offered:
        """Keep a code if its measured minimal angle beats the stored one by more than `IMPROVEMENT`.

        Processes and threads may offer at once: comparing, replacing and logging are one step under a
        lock that dies with its process. A file in the place of the code that `get` would refuse is
        moved aside, to NAME.corrupt-1 and so on, with an `ArchiveWarning`. Of a kept code, the best
        deletion is offered to the smaller size, and so on while stored codes are improved by it.

        Args:
            code: a result, whose record is stored; or bare points.
            record: provenance to store, JSON values (`method`: a list of names); of a result, more of
                it. Claims about the points in it are replaced by measurements.
            antipodal: offer to the problem of point sets made of pairs +-x; the unrestricted problem
                is another offer.

        Returns:
            Whether it was kept, the angle before, the angle now, and the kept deletions.

        Raises:
            InvalidParameterError: if the code is not antipodal as claimed, or the record is not JSON.
            FileAccessError: if the archive cannot be written, or the stored file cannot be read.
        """
        problems: list[str] = []
        offered = self._offer(code, record, antipodal, problems)
        deletions: list[Offered] = []
        bare, fewer = _bare(code), 2 if antipodal else 1
        last = offered
        # On into the sizes below only over stored codes: one good code is no reason to fill an empty archive.
        while last.kept and bare.n - fewer >= 2 and (last is offered or last.previous is not None):
            provenance = {"method": ["deletion"], "from": bare.digest}
            bare = best_deletion(bare, antipodal=antipodal)
            try:
                last = self._offer(bare, provenance, antipodal, problems)
            except FileAccessError as error:  # the code itself is kept, and that is what was asked for
                problems.append(f"{error} The deletion was not kept.")
                break
            if last.kept:
                deletions.append(last)
        for problem in problems:  # when all is stored: a filter may turn the first into an exception
            warnings.warn(problem, ArchiveWarning, stacklevel=2)
        return dataclasses.replace(offered, deletions=tuple(deletions))

    # --- one problem's file ---------------------------------------------------------------------

    def _read(self, n: int, d: int, antipodal: bool) -> Entry | None:
        """The stored code; raises where there is a file, but no such code in it."""
        path = self.path_of(n, d, antipodal)
        if not os.path.lexists(path):
            return None
        if not path.is_file():
            raise FileFormatError(path, "not a regular file")
        record = files.read_json(path)  # once: a second look could find another process's file
        try:
            code = SphericalCode(record.pop("points", None))
        except InvalidPointsError as error:
            raise FileFormatError(path, str(error).rstrip(".")) from None
        if (code.n, code.d) != (n, d):
            raise FileFormatError(path, f"{code.n} points in R^{code.d}, which belong elsewhere")
        for name, measured in code.to_dict().items():
            claimed = record.get(name, measured)
            if name == "closest_pair" or claimed == measured:
                continue
            allowed = {"min_angle": TOLERANCE, "max_cosine": TOLERANCE, "min_angle_degrees": math.degrees(TOLERANCE)}
            if type(claimed) is not float or not abs(claimed - measured) <= allowed.get(name, 0.0):
                raise FileFormatError(path, f"{name}: claimed {claimed!r}, measured {measured!r}")
        if antipodal and not is_antipodal(code):
            raise FileFormatError(path, "the points are not made of pairs +-x")
        return Entry(code, record, path, antipodal)

    def _offer(
        self, code: Result | SphericalCode, record: Mapping[str, Any] | None, antipodal: bool, problems: list[str]
    ) -> Offered:
        """Compare and replace; what had to be moved aside is told in `problems`."""
        bare = _bare(code)
        check_antipodal(bare, antipodal)
        path = self.path_of(bare.n, bare.d, antipodal)

        def answer(kept: bool, stored: Entry | None) -> Offered:
            before = None if stored is None else stored.code.min_angle
            return Offered(bare.n, bare.d, antipodal, kept, before, bare.min_angle, path)

        def better(stored: Entry | None) -> bool:
            return stored is None or bare.min_angle > stored.code.min_angle + IMPROVEMENT

        with contextlib.suppress(FileAccessError, FileFormatError):  # what that means is decided under the lock
            if not better(stored := self._read(bare.n, bare.d, antipodal)):
                return answer(False, stored)  # nor will it ever be: stored codes only get better
        document = _document(code, record, antipodal, path.name)
        content = _json(document | {"points": bare.points.tolist()})
        with self._locked():
            stored, fault = None, None
            try:
                stored = self._read(bare.n, bare.d, antipodal)
            except FileFormatError as error:  # not FileAccessError: what cannot be read may well be a code
                fault = error
            if not better(stored):
                return answer(False, stored)
            _make_folder(path.parent)
            if fault is not None:
                problems.append(f"{fault} It was moved aside, to {_move_aside(path).name}.")
            files.write_atomically(path, content, force=True)
            self._append(document, None if stored is None else stored.code.min_angle_degrees)
        return answer(True, stored)

    def _append(self, document: dict[str, Any], before: float | None) -> None:
        """One line of the log."""
        line = {
            "time": document["archived"],
            **{name: document[name] for name in ("n", "d", "antipodal")},
            "old_degrees": before,
            "new_degrees": document["min_angle_degrees"],
            **{name: document[name] for name in ("digest", "method")},
        }
        journal.append(self.folder / "log.jsonl", line)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the archive: one process, one thread at a time. The system frees the lock of a dead process."""
        from filelock import FileLock, Timeout

        _make_folder(self.folder)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            reason = f"another process has held its lock for {LOCK_SECONDS:g} s"
            raise FileAccessError(self.folder, reason, "Try again when that has ended.") from None
        except (OSError, NotImplementedError) as error:
            raise _not_writable(self.folder, error) from None
        try:
            yield
        finally:
            lock.release()

    def _dimensions(self) -> list[int]:
        """Dimensions with a folder, in order."""
        matches = (re.fullmatch(r"d([1-9]\d*)", name) for name in _names(self.folder))
        return sorted(int(match[1]) for match in matches if match and match[1] != "1")


def _bare(code: Result | SphericalCode) -> SphericalCode:
    return code.code if isinstance(code, Result) else code


def _document(
    code: Result | SphericalCode, record: Mapping[str, Any] | None, antipodal: bool, name: str
) -> dict[str, Any]:
    """What is stored beside the points: provenance first, then what is measured, which wins."""
    document = {"method": []} | {key: value for key, value in (record or {}).items() if key not in _MEASURED}
    document |= code.to_dict()  # a result's own record holds all that it measured
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return document | {"antipodal": antipodal, "archived": now, "file": name}


def _json(document: dict[str, Any]) -> bytes:
    try:
        return to_json(document).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParameterError("record", "made of JSON values", str(error)) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from None


def _not_writable(folder: Path, error: OSError | NotImplementedError) -> FileAccessError:
    remedy = "Name another folder: TAMMES_ARCHIVE, or --archive."
    return FileAccessError(folder, f"the archive cannot be written ({_reason(error)})", remedy)


def _reason(error: OSError | NotImplementedError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _move_aside(path: Path) -> Path:
    """Rename what lies in the place of a code to the first free NAME.corrupt-K; under the lock."""
    k = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.corrupt-{k}")):
        k += 1
    try:
        return path.rename(aside)
    except OSError as error:
        raise _not_writable(path.parent, error) from None


def _names(folder: Path) -> list[str]:
    """Names in a folder; none where there is no folder."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FileAccessError(folder, f"cannot be read ({_reason(error)})") from None
