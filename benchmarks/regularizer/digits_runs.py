"""Execution of the digits experiment on a pool of single-threaded processes; each finished run is stored."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import digits_store
import torch
from digits_store import Record
from digits_study import Settings, Study
from digits_timing import step_ratios, variants
from digits_training import Job, Outcome, train

SAVED_EVERY = 5.0  # seconds


def run_study(store: Path, record: Record, workers: int) -> None:
    """Execute the missing runs, stage by stage, then the timing; finished runs are stored whatever happens."""
    settings = record.settings
    began, before = time.monotonic(), record.minutes
    saved = began

    def save() -> None:
        record.minutes = before + (time.monotonic() - began) / 60.0
        digits_store.write(store, record)

    try:
        for stage, jobs in Study(settings, record.done).stages():
            missing = [job for job in jobs if job not in record.done]
            note(f"{stage}: {len(missing)} of {len(jobs)} runs to do")
            for count, (job, outcome) in enumerate(run_jobs(missing, settings, workers), 1):
                record.done[job] = outcome
                if time.monotonic() - saved > SAVED_EVERY:
                    save()
                    saved = time.monotonic()
                    note(f"{stage}: {count} of {len(missing)}, {record.minutes:.1f} min")
        for label in variants(settings.methods):
            if label not in record.timing:
                record.timing[label] = step_ratios(label, settings)
    finally:
        save()


def run_jobs(jobs: Sequence[Job], settings: Settings, workers: int) -> Iterator[tuple[Job, Outcome]]:
    """Yield runs as they finish; one worker is this process."""
    sizes = settings.epochs, settings.batch, settings.train_images
    if workers == 1 or len(jobs) < 2:
        yield from ((job, train(job, *sizes)) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        pending = {pool.submit(train, job, *sizes): job for job in jobs}
        for future in concurrent.futures.as_completed(pending):
            yield pending[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def note(text: str) -> None:
    """Print progress to stderr."""
    print(text, file=sys.stderr, flush=True)
