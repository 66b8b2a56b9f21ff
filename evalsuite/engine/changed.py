"""Which predictions are still valid: those whose files have not changed since."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from accelerate import Accelerator

from evalsuite.contracts.benchmark import SampleId
from evalsuite.contracts.task import ReadsMoreFiles
from evalsuite.data.fingerprint import contents_mark
from evalsuite.engine.loading import files_of
from evalsuite.engine.predict import PredictionWork
from evalsuite.engine.progress import Meter, say
from evalsuite.records.run import Run

THREADS = 8  # reading waits for the disk, and hashing leaves Python's lock


def set_changed_aside(work: PredictionWork, run: Run, accelerator: Accelerator) -> None:
    """Take predictions out of the journals whose files hold something else by now, and say so.

    Contents are compared, not dates: a copy of the data folder has other dates, and a file that was
    replaced may have the old one. So the files of all that is predicted are read, as fast as the
    disk gives them. A prediction stays where a file is gone, or where its state was not noted, as
    in the runs of older versions.

    Raises:
        UserError: the disk is full; then all predictions are where they were.
    """
    if accelerator.is_main_process and (marks := run.journaled(work.split).marks):
        files = {name: one for name, one in _files(work).items() if name in marks}
        unique = list(dict.fromkeys(files.values()))
        now = {}
        meter = Meter(f"comparing {work.split}", len(unique))
        with meter, ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(partial(contents_mark, work.data), unique)
            for names, mark in zip(unique, found, strict=True):
                now[names] = mark
                meter.advance(1, 1)
        changed = [name for name, one in files.items() if now[one] not in ("", marks[name])]
        if changed:
            kept = run.set_aside(work.split, set(changed))
            say(
                f"{len(changed):,} of {len(files):,} predictions of {work.split} were made from "
                f"files that have changed since, such as {' and '.join(files[changed[0]])}: "
                f"predicting them again (the earlier ones are kept in {kept})"
            )
    accelerator.wait_for_everyone()  # before anybody reads the journals


def _files(work: PredictionWork) -> dict[SampleId, tuple[str, ...]]:
    """Return the files that the predictions asked for come from, by the samples' ids."""
    index = work.index
    wanted = list(enumerate(index.ids))[: work.limit]
    if isinstance(work.task, ReadsMoreFiles):
        return {name: files_of(work.task, index[place]) for place, name in wanted}
    return {name: tuple(index.images[place]) for place, name in wanted}
