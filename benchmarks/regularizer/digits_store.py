"""Storage of the digits experiment: one JSON document, one line for each run, written atomically."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import sklearn
from digits_study import Settings
from digits_training import LAYERS, METHODS, NO_METHOD, NO_PLACE, PARTS, PLACES, Job, Outcome

from tammes.base.errors import FileFormatError
from tammes.bench.machine import describe_machine
from tammes.storage import formats as files
from tammes.storage.result import versions

SCHEMA = "tammes.digits/1"
COLUMNS = [*(one.name for one in fields(Job)), *(one.name for one in fields(Outcome))]
_REMEDY = "Choose another --out, or use --fresh to begin anew."


@dataclass
class Record:
    """Everything that is stored of a study."""

    settings: Settings
    machine: Mapping[str, Any] = field(default_factory=describe_machine)
    versions: Mapping[str, str] = field(default_factory=lambda: versions() | {"scikit-learn": sklearn.__version__})
    done: dict[Job, Outcome] = field(default_factory=dict)
    timing: dict[str, list[float]] = field(default_factory=dict)
    """Ratios of the time of a step to the baseline's, pair by pair."""
    minutes: float = 0.0
    """Wall time of all sessions."""


def write(path: Path, record: Record) -> None:
    """Write everything so far, sorted, so that differences read well."""
    rows = [
        [*asdict(job).values(), *asdict(outcome).values()] for job, outcome in sorted(record.done.items(), key=_key)
    ]
    head = {
        "schema": SCHEMA,
        "settings": asdict(record.settings),
        "machine": dict(record.machine),
        "versions": dict(record.versions),
        "minutes": round(record.minutes, 2),
        "timing": {label: [round(ratio, 3) for ratio in ratios] for label, ratios in record.timing.items()},
        "columns": COLUMNS,
    }
    lines = ",\n".join(json.dumps(row) for row in rows)
    text = f'{json.dumps(head, indent=1)[:-2]},\n "runs": [\n{lines}\n ]\n}}\n'
    files.write_atomically(path, text.encode(), force=True)


def read(path: Path, expected: Record | None) -> Record:
    """Return the record that an earlier command stored.

    Args:
        path: of the document.
        expected: an empty record whose settings, machine and versions must be the same; None takes any.

    Raises:
        FileFormatError: if the document is damaged, or was made otherwise or elsewhere.
    """
    document = files.read_json(path)
    if document.get("schema") != SCHEMA:
        raise FileFormatError(path, f"not a {SCHEMA} document", _REMEDY)
    try:
        record = _record(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(path, f"damaged: {error!r}", _REMEDY) from None
    if expected is not None:
        for name in ("settings", "machine", "versions"):
            if getattr(record, name) != getattr(expected, name):
                raise FileFormatError(path, f"made with other {name}: {getattr(record, name)}", _REMEDY)
    return record


def _record(document: dict[str, Any]) -> Record:
    """Return the record of a document, after checks that raise built-in errors."""
    settings = document["settings"] | {"methods": tuple(document["settings"]["methods"])}
    record = Record(
        Settings(**settings),
        document["machine"],
        document["versions"],
        timing={label: list(map(float, ratios)) for label, ratios in document["timing"].items()},
        minutes=float(document["minutes"]),
    )
    if document["columns"] != COLUMNS:
        raise ValueError("other columns")
    for row in document["runs"]:
        job, outcome = _run(row)
        if job in record.done:
            raise ValueError(f"{job} is there twice")
        record.done[job] = outcome
    return record


def _run(row: list[Any]) -> tuple[Job, Outcome]:
    """Return the run of one line, after checks that raise ValueError or TypeError."""
    values = dict(zip(COLUMNS, row, strict=True))
    job = Job(**{one.name: values[one.name] for one in fields(Job)})
    names = {one.name: values[one.name] for one in fields(Outcome)}
    for name in ("min_angles", "mean_nearest"):
        angles = tuple(names[name])
        if len(angles) != len(LAYERS) or not all(a is None or 0.0 <= a <= 180.0 for a in angles):
            raise ValueError(f"{name} {angles}")
        names[name] = angles
    outcome = Outcome(**names)
    known = job.part in PARTS and job.method in (NO_METHOD, *METHODS) and job.place in (NO_PLACE, *PLACES)
    if not known or not isinstance(job.seed, int) or not math.isfinite(job.coef + job.rate + job.decay):
        raise ValueError(f"{job} is no run")
    if not (0.0 <= outcome.accuracy <= 100.0 and 0.0 <= outcome.train_accuracy <= 100.0):
        raise ValueError(f"accuracy {outcome.accuracy}, {outcome.train_accuracy}")
    return job, outcome


def _key(run: tuple[Job, Outcome]) -> tuple[Any, ...]:
    """Return the sort key of a line."""
    job, _ = run
    place = (NO_PLACE, *PLACES).index(job.place)
    method = (NO_METHOD, *METHODS).index(job.method)
    own = (job.coef, job.sample or 0.0, job.pixelwise, job.rate, job.decay, job.seed)
    return (PARTS.index(job.part), method, place, *own)
