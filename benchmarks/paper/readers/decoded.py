"""Decode JPEGs and PNGs once, into a file of pixels that later calls map into memory."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tammes.base.errors import FileAccessError, FileFormatError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # not a POSIX system: readers at the same time decode each for itself
    fcntl = None

__all__ = ["SUFFIXES", "decode", "digest_of_files", "memory_map"]

SUFFIXES = {".jpg", ".jpeg", ".png"}

_VERSION = "1"  # of what a map holds; another one is decoded anew
_AT_A_TIME = 128  # images between two looks at the progress
_SHOWN = 1_000  # images from which decoding takes long enough for a progress bar
_MANY = 8  # threads; Pillow decodes without the lock of the interpreter

Picture = tuple[bytes, str | Path]
"""A file in memory, and its name."""


def decode(content: bytes, name: str | Path, size: int) -> NDArray[np.uint8]:
    """Return the pixels of a JPEG or PNG, `(3, size, size)`; grey ones and palettes become red, green and blue.

    Raises:
        FileFormatError: if it is damaged, of another format, or of another size.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            width, height = image.size  # from the header: an image that is too large is not decoded
            pixels = np.asarray(image.convert("RGB")) if width == height == size else None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise FileFormatError(name, f"an image far too large, not of {size} x {size}") from None
    except UnidentifiedImageError:
        raise FileFormatError(name, "neither a JPEG nor a PNG") from None
    except Exception as error:  # every kind of damage has an exception of its own
        said = " ".join(str(error).split())[:80].rstrip(".") or type(error).__name__
        raise FileFormatError(name, f"a damaged image ({said})") from None
    if pixels is None:
        raise FileFormatError(name, f"an image of {width} x {height}, not of {size} x {size}")
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def digest_of_files(paths: Iterable[Path], root: Path) -> str:
    """Return the SHA-256 of names under the root, sizes and times of change, which differs when a file is replaced.

    Raises:
        FileAccessError: if one of them is not there.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise FileAccessError(path, f"cannot be read ({(error.strerror or str(error)).lower()})") from None
        entry = (path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns)
        digest.update(repr(entry).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def memory_map(
    count: int,
    picture: Callable[[int], Picture],
    size: int,
    *,
    digest: str,
    beside: Path,
    name: str,
    cache: Path | None = None,
    console: Console | None = None,
    shown_from: int = _SHOWN,
) -> NDArray[np.uint8]:
    """Return all images, `(count, 3, size, size)`, mapped from a file that is written at the first call.

    The file is `.tammes-NAME-KEY.npy`, whole or not there at all. Processes that come at the same time wait for the
    one that decodes; where the system has no locks each decodes, and either result is the same.

    Args:
        count: number of images, at least one.
        picture: the file of the k-th image, in memory, and its name.
        size: pixels a side.
        digest: of the files; another one means other images.
        beside: the folder for the file, if it can be written.
        name: begins the name of the file.
        cache: the folder for it otherwise; `tammes` in the user's folder of caches by default. If it is given, it
            comes first.
        console: of the progress bar, shown in a terminal only; stderr by default.
        shown_from: number of images from which there is a progress bar.

    Raises:
        FileAccessError: if neither folder can be written, or the disk is too small.
        FileFormatError: if an image is not what it should be.
    """
    shape = (count, 3, size, size)
    key = hashlib.sha256(repr((_VERSION, digest, shape)).encode()).hexdigest()[:24]
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tammes"
    folders = [beside, default] if cache is None else [cache, beside]
    for folder in folders:
        found = _mapped(folder / f".tammes-{name}-{key}.npy", shape)
        if found is not None:
            return found
    folder = _writable(folders, count * 3 * size * size)
    path = folder / f".tammes-{name}-{key}.npy"
    with _locked(folder):
        found = _mapped(path, shape)  # another process was faster
        if found is None:
            progress = _progress(console, shown=count >= shown_from)
            _write(path, shape, picture, name, progress)
            found = _mapped(path, shape)
    if found is None:
        raise FileAccessError(path, "cannot be read back", "Is the disk full?")
    return found


def _mapped(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Return the map in a file; None if there is none, or it is incomplete."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if isinstance(found, np.ndarray) and found.shape == shape and found.dtype == np.uint8 else None


def _writable(folders: Iterable[Path], need: int) -> Path:
    """Return the first folder that is writable and has room for the file."""
    reasons = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            free = shutil.disk_usage(folder).free
        except OSError as error:
            reasons.append((folder, f"cannot be written ({(error.strerror or str(error)).lower()})"))
            continue
        if free >= need:
            return folder
        reasons.append((folder, f"{need:,} bytes are needed for the decoded images, and {free:,} are free"))
    raise FileAccessError(*reasons[0], "Make room, or set XDG_CACHE_HOME to a folder with enough of it.")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock; the system releases that of a process that ends."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network disks have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(
    path: Path, shape: tuple[int, ...], picture: Callable[[int], Picture], name: str, progress: Progress
) -> None:
    """Decode into a temporary file beside, which is renamed when it is complete."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    os.close(handle)
    try:
        target = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(Path(temporary))
        _decode_all(target, picture, name, progress)
        target.flush()
        del target
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if isinstance(error, FileAccessError):
            raise
        raise FileAccessError(path, f"cannot be written ({(error.strerror or str(error)).lower()})") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _reserve(path: Path) -> None:
    """Reserve the disk space: without it, writing to the map would end the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:  # others: the disk cannot reserve
                raise


def _progress(console: Console | None, *, shown: bool) -> Progress:
    """Return the progress bar, disabled unless it is to be shown in a terminal."""
    console = Console(stderr=True) if console is None else console
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal))


def _decode_all(target: NDArray[np.uint8], picture: Callable[[int], Picture], name: str, progress: Progress) -> None:
    """Decode all images on a pool of threads."""

    def decode_some(start: int) -> int:
        stop = min(start + _AT_A_TIME, len(target))
        for number in range(start, stop):
            target[number] = decode(*picture(number), target.shape[-1])
        return stop - start

    pool = ThreadPoolExecutor(min(_MANY, os.cpu_count() or 1))
    try:
        with progress:
            task = progress.add_task(f"decoding {name}", total=len(target))
            for done in pool.map(decode_some, range(0, len(target), _AT_A_TIME)):
                progress.advance(task, done)
    finally:
        pool.shutdown(cancel_futures=True)
