"""What the tests of commands share: the form of an error, the schema of a record."""

import json
from pathlib import Path

RECORD_SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "result.schema.json").read_text())


def one_line(text):
    """True for one line of reason on stderr, as every failing command prints it."""
    return text.count("\n") == 1 and text.startswith("Error: ") and "Traceback" not in text
