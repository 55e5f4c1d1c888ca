"""The archive: the best code of every size with its provenance, safe for several processes at once.

=============================  ==============================================================
`d3/n00130.json`               130 points in R^3: the record, with the points under `points`
`d3/n00130_antipodal.json`     the best set of 65 pairs +-x (lines) there
`d3/n00130.json.corrupt-1`     a file found in place of a code, and moved aside; never read
`log.jsonl`                    one line for each improvement, only ever appended to
`search/`                      saved states of searches; not read by this module
`.lock`                        held while a code is compared and replaced
=============================  ==============================================================

Each code is one file, so that points and provenance cannot disagree; `tammes verify` checks it like
any other. Readers need no lock: a file is replaced whole, by a rename.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
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
from tammes.base.validation import check_size
from tammes.codes.antipodal import check_antipodal, is_antipodal
from tammes.codes.deletion import best_deletion
from tammes.codes.spherical_code import SphericalCode
from tammes.storage import atomic, journal
from tammes.storage.atomic import reason_of
from tammes.storage.result import Result
from tammes.storage.writer import encode_record

__all__ = ["IMPROVEMENT", "Archive", "ArchiveWarning", "Entry", "Offered", "default_folder"]

IMPROVEMENT = 1e-12
"""A stored code is replaced by one whose minimal angle is larger by more than this, radians."""

# Fields that the archive measures or writes itself: of a record that comes with a code, they are left out.
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

    @property
    def method(self) -> list[str]:
        """Names of the methods that made the code; empty where the record does not list any."""
        from tammes.storage.record import field_of

        return field_of(self.record, "method") or []

    @property
    def archived(self) -> str | None:
        """Date and time (UTC) since when the code is stored; None where the record does not tell."""
        from tammes.storage.record import field_of

        archived: str | None = field_of(self.record, "archived")
        return archived


@dataclass(frozen=True)
class Offered:
    """Outcome of offering a code to the archive."""

    n: int
    d: int
    antipodal: bool
    kept: bool
    """True if the code is now the stored one."""
    previous: float | None
    """Minimal angle of the stored code before, radians; None where there was none."""
    angle: float
    """Measured minimal angle of the offered code, radians."""
    path: Path
    """The archive's file for this size."""
    deletions: tuple[Offered, ...] = ()
    """The codes with fewer points that were kept, each made from the one before by leaving out a point."""


def default_folder() -> Path:
    """Return the folder `TAMMES_ARCHIVE` if that is set, else `archive` in the user's data folder of `tammes`."""
    if named := os.environ.get("TAMMES_ARCHIVE"):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("tammes", appauthor=False) / "archive"


class Archive:
    """The best codes found so far: one for every (n, d), and one of pairs +-x for every (n, d).

    Args:
        folder: where it lies; `default_folder()` if None. It is made by the first code that is kept;
            a folder that is not there is an empty archive.
        lock_seconds: how long to wait for a process that is storing a code. It takes milliseconds,
            unless that process is stopped.
    """

    def __init__(self, folder: str | Path | None = None, *, lock_seconds: float = 60.0) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self._lock_seconds = lock_seconds

    def __repr__(self) -> str:
        return f"Archive({str(self.folder)!r})"

    def path_of(self, n: int, d: int, antipodal: bool = False) -> Path:
        """Return the path of the file of one problem, which need not exist.

        Args:
            n: number of points.
            d: dimension of the space.
            antipodal: the problem of point sets made of pairs +-x.

        Raises:
            InvalidParameterError: unless n and d are integers of at least 2.
        """
        n, d = check_size(n, d)
        return self.folder / f"d{d}" / f"n{n:05d}{'_antipodal' if antipodal else ''}.json"

    def get(self, n: int, d: int, antipodal: bool = False) -> Entry | None:
        """Return the stored code of one problem, measured anew, or None.

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
        """Return the stored code of one problem, measured anew.

        Args:
            n: number of points.
            d: dimension of the space.
            antipodal: the problem of point sets made of pairs +-x.

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
        """Return an iterator over the stored codes, read one after the other, ordered by d, then n.

        Files that `get` would skip are skipped with the same warning; other files are not looked at.

        Args:
            d: one dimension; all if None.

        Raises:
            InvalidParameterError: if d is given, and is not an integer of at least 2.
            FileAccessError: if a folder cannot be listed.
        """
        if d is not None:
            _, d = check_size(2, d)
        for dimension in self._dimensions() if d is None else [d]:
            for n, antipodal in self._sizes(dimension):
                entry = self.get(n, dimension, antipodal)
                if entry is not None:
                    yield entry

    def log(self) -> Iterator[dict[str, Any]]:
        """Return an iterator over the improvements, oldest first.

        Each is a record of time (UTC), n, d, antipodal, old and new degrees, digest and method. A line
        that is no JSON object, as a killed process may leave, is skipped with an `ArchiveWarning`.

        Raises:
            FileAccessError: if the log is there and cannot be read.
        """
        path = self.folder / "log.jsonl"
        for number, line in journal.read(path):
            if line is None:
                warnings.warn(f"{path}: line {number} is no JSON object.", ArchiveWarning, stacklevel=2)
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
            What became of the code: kept or not, the angles before and now, the kept deletions.

        Raises:
            InvalidParameterError: if the code is not antipodal as claimed, or the record is not JSON.
            FileAccessError: if the archive cannot be written, or the stored file cannot be read.
        """
        problems: list[str] = []
        offered = self._offer(code, record, antipodal, problems)
        deletions: list[Offered] = []
        points = _points_of(code)
        fewer = 2 if antipodal else 1
        last = offered
        # On into the sizes below only over stored codes: one good code is no reason to fill an empty archive.
        while last.kept and points.n - fewer >= 2 and (last is offered or last.previous is not None):
            provenance = {"method": ["deletion"], "from": points.digest}
            points = best_deletion(points, antipodal=antipodal)
            try:
                last = self._offer(points, provenance, antipodal, problems)
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
        """Return the stored code, or None where there is no file; raise where a file holds no such code."""
        path = self.path_of(n, d, antipodal)
        if not os.path.lexists(path):
            return None
        if not path.is_file():
            raise FileFormatError(path, "not a regular file")
        from tammes.storage.record import false_claims  # here: an archive is often looked into, and rarely read

        record = atomic.read_json(path)  # once: a second look could find another process's file
        try:
            code = SphericalCode(record.pop("points", None))
        except InvalidPointsError as error:
            raise FileFormatError(path, str(error).rstrip(".")) from None
        if (code.n, code.d) != (n, d):
            raise FileFormatError(path, f"{code.n} points in R^{code.d}, which belong elsewhere")
        if disagreements := false_claims(record, code, counts=False):
            raise FileFormatError(path, disagreements[0])
        if antipodal and not is_antipodal(code):
            raise FileFormatError(path, "the points are not made of pairs +-x")
        return Entry(code, record, path, antipodal)

    def _offer(
        self, code: Result | SphericalCode, record: Mapping[str, Any] | None, antipodal: bool, problems: list[str]
    ) -> Offered:
        """Compare with the stored code and replace it; a file that had to be moved aside is added to `problems`."""
        points = _points_of(code)
        check_antipodal(points, antipodal)
        path = self.path_of(points.n, points.d, antipodal)

        def outcome(kept: bool, stored: Entry | None) -> Offered:
            previous = None if stored is None else stored.code.min_angle
            return Offered(points.n, points.d, antipodal, kept, previous, points.min_angle, path)

        def is_better_than(stored: Entry | None) -> bool:
            return stored is None or points.min_angle > stored.code.min_angle + IMPROVEMENT

        with contextlib.suppress(FileAccessError, FileFormatError):  # what these mean is decided under the lock
            stored = self._read(points.n, points.d, antipodal)
            if not is_better_than(stored):
                return outcome(False, stored)  # nor will it ever be: stored codes only get better
        document = _document(code, record, antipodal, path.name)
        content = _encoded(document, points)
        with self._locked():
            stored, fault = None, None
            try:
                stored = self._read(points.n, points.d, antipodal)
            except FileFormatError as error:  # not FileAccessError: what cannot be read may well be a code
                fault = error
            if not is_better_than(stored):
                return outcome(False, stored)
            _make_folder(path.parent)
            if fault is not None:
                problems.append(f"{fault} It was moved aside, to {_move_aside(path).name}.")
            atomic.write_atomically(path, content, force=True)
            self._append(document, None if stored is None else stored.code.min_angle_degrees)
        return outcome(True, stored)

    def _append(self, document: dict[str, Any], previous_degrees: float | None) -> None:
        """Add an improvement to the log."""
        line = {
            "time": document["archived"],
            "n": document["n"],
            "d": document["d"],
            "antipodal": document["antipodal"],
            "old_degrees": previous_degrees,
            "new_degrees": document["min_angle_degrees"],
            "digest": document["digest"],
            "method": document["method"],
        }
        journal.append(self.folder / "log.jsonl", line)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the archive for one process and thread at a time; the system frees the lock of a dead process."""
        from filelock import FileLock, Timeout

        _make_folder(self.folder)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=self._lock_seconds)
        except Timeout:
            reason = f"another process has held its lock for {self._lock_seconds:g} s"
            raise FileAccessError(self.folder, reason, "Try again when that has ended.") from None
        except (OSError, NotImplementedError) as error:
            raise _not_writable(self.folder, error) from None
        try:
            yield
        finally:
            lock.release()

    def _dimensions(self) -> list[int]:
        """Return the dimensions that have a folder, in order."""
        matches = (re.fullmatch(r"d([1-9]\d*)", name) for name in _names(self.folder))
        return sorted(int(match[1]) for match in matches if match and match[1] != "1")

    def _sizes(self, d: int) -> list[tuple[int, bool]]:
        """Return the numbers of points that have a file in one dimension, in order; True for those of pairs +-x."""
        sizes = []
        for name in _names(self.folder / f"d{d}"):
            match = _NAME.fullmatch(name)
            if match is None or int(match[1]) < 2:
                continue
            n, antipodal = int(match[1]), match[2] is not None
            if self.path_of(n, d, antipodal).name == name:  # not n000007.json
                sizes.append((n, antipodal))
        return sorted(sizes)


def _points_of(code: Result | SphericalCode) -> SphericalCode:
    """Return the points of a result, or bare points as they are."""
    return code.code if isinstance(code, Result) else code


def _document(
    code: Result | SphericalCode, record: Mapping[str, Any] | None, antipodal: bool, name: str
) -> dict[str, Any]:
    """Return what is stored beside the points: provenance, and measurements, which win."""
    document = {"method": []} | {key: value for key, value in (record or {}).items() if key not in _MEASURED}
    document |= code.to_dict()  # a result's own record holds all that it measured
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return document | {"antipodal": antipodal, "archived": now, "file": name}


def _encoded(document: dict[str, Any], points: SphericalCode) -> bytes:
    """Return the content of the archive's file."""
    try:
        return encode_record(document, points)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParameterError("record", "made of JSON values", str(error)) from None


def _make_folder(folder: Path) -> None:
    """Make a folder, with those above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from None


def _not_writable(folder: Path, error: OSError | NotImplementedError) -> FileAccessError:
    """Return the error to raise where the archive cannot be written."""
    remedy = "Name another folder: TAMMES_ARCHIVE, or --archive."
    return FileAccessError(folder, f"the archive cannot be written ({reason_of(error)})", remedy)


def _move_aside(path: Path) -> Path:
    """Rename a file in the place of a code to the first free NAME.corrupt-K. The lock must be held."""
    for k in itertools.count(1):
        aside = path.with_name(f"{path.name}.corrupt-{k}")
        if not os.path.lexists(aside):
            break
    try:
        return path.rename(aside)
    except OSError as error:
        raise _not_writable(path.parent, error) from None


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, in order; none where there is no folder."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FileAccessError(folder, f"cannot be read ({reason_of(error)})") from None
