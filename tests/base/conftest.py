"""A made-up system: the files that Linux shows of memory and control groups, in a temporary directory."""

from pathlib import Path

import pytest


class System:
    """The directories `/proc` and `/sys/fs/cgroup` of a system, empty at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roots = (folder / "proc", folder / "cgroup")

    def write(self, path: str, text: str) -> None:
        """Write one file, `proc/...` or `cgroup/...`."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")


@pytest.fixture
def system(tmp_path):
    return System(tmp_path)
