"""Compare the regularisers on a small problem: scikit-learn's digits, 100 training images, a small network.

    pip install -c constraints.txt -e ".[bench]"
    python benchmarks/regularizer/digits.py [--workers 2] [--out FOLDER]

Measures accuracy and minimal angles with no regulariser, MMA, cosine, MHE s = 0 and s = 2, and orthogonal, on the
hidden layers, the output layer and both. Each is swept over equally many coefficients on tuning seeds, and the best is
compared on fresh seeds and other images, beside the coefficients of the papers. Writes to the folder `digits.json`
(every run; an interrupted command continues from it), `digits.md` (the tables), `digits_sweep.png` and
`digits_angles.png`.

Angles are measured by `tammes.nn.inspect.weights.measure`; the terms come from `tammes.nn.Regularizer`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import digits_store
import torch
from digits_figures import draw_angles, draw_sweep
from digits_report import report
from digits_runs import note, run_study
from digits_store import Record
from digits_study import SMOKE, Settings, Study

from tammes import plots
from tammes.base.errors import TammesError
from tammes.storage import formats as files

HERE = Path(__file__).resolve().parent


def write_reports(folder: Path, record: Record, command: str) -> str:
    """Write tables and figures of a complete record; return the Markdown."""
    study = Study(record.settings, record.done)
    text = report(study, record, command)
    files.write_atomically(folder / "digits.md", text.encode(), force=True)
    for name, figure in (("digits_sweep.png", draw_sweep(study)), ("digits_angles.png", draw_angles(study))):
        files.write_atomically(folder / name, plots.figure_bytes(figure), force=True)
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder of the results; that of this script by default")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes, of one thread each")
    parser.add_argument(
        "--smoke", action="store_true", help="everything once, in seconds; a temporary folder by default"
    )
    parser.add_argument("--report", action="store_true", help="tables and figures of what is stored; nothing is run")
    parser.add_argument("--fresh", action="store_true", help="begin anew; stored runs are dropped")
    chosen = parser.parse_args(arguments)
    if chosen.workers < 1:
        parser.error("--workers: an integer of at least 1")
    if chosen.fresh and chosen.report:
        parser.error("--fresh forgets what --report shows; choose one")
    folder = chosen.out or (Path(tempfile.mkdtemp(prefix="digits_")) if chosen.smoke else HERE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out: {folder} cannot be made ({error.strerror})")
    store = folder / "digits.json"
    torch.set_num_threads(1)
    record = Record(SMOKE if chosen.smoke else Settings())
    try:
        if chosen.report:
            record = digits_store.read(store, None)
            missing = Study(record.settings, record.done).missing()
            if missing or not record.timing:
                parser.error(f"{store}: {missing or 'no'} runs are to be done before a report; run without --report")
        else:
            if store.exists() and not chosen.fresh:
                record = digits_store.read(store, record)
            run_study(store, record, chosen.workers)
        command = "python benchmarks/regularizer/digits.py" + (" --smoke" if record.settings == SMOKE else "")
        print(write_reports(folder, record, command))
    except TammesError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        note(f"stopped; {store} holds what is done, and the same command goes on from there")
        raise SystemExit(130) from None
    note(f"{folder}: digits.md, digits.json, digits_sweep.png, digits_angles.png")


if __name__ == "__main__":
    main()
