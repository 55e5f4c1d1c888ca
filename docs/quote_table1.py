"""Copy Table 1 from benchmarks/table1/table1.md to its place in the README, after `tammes bench` has made it again."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Replace what stands between the two comments that mark the place."""
    report = (ROOT / "benchmarks" / "table1" / "table1.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in report.splitlines() if line.startswith("|"))
    readme = ROOT / "README.md"
    text, count = re.subn(
        r"(<!-- table 1: .*? -->\n\n).*?(\n\n<!-- end of table 1 -->)",
        lambda match: match[1] + table + match[2],
        readme.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if count != 1:
        raise SystemExit("README.md has no place marked for Table 1")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
