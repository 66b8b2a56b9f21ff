"""Checks the evaluation split before fine-tuning begins."""

from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from evalsuite.contracts.benchmark import Benchmark
from evalsuite.data.checking import Inspector, left_out, truth_check
from evalsuite.engine.predict import PredictionWork
from evalsuite.engine.progress import Meter, say
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run


def check_split(
    work: PredictionWork, benchmark: Benchmark, data: Path, run: Run, accelerator: Accelerator
) -> None:
    """Check that a split can be predicted and scored, so that hours of fine-tuning are not in vain.

    The main process reads the ground truth and decodes every image once; 50,000 ImageNet images
    take it a minute or two. A split that passed is noted in the run and not looked at again until
    its official files change.

    Raises:
        UserError: it cannot, or more samples than are allowed cannot; on every process.
    """
    mark = [work.index.fingerprint, work.limit]
    if run.facts.get("checked", {}).get(work.split) == mark:
        return
    message = [""]
    if accelerator.is_main_process:
        try:
            _look_over(work, benchmark, data)
            run.facts.setdefault("checked", {})[work.split] = mark
            run.save()
        except UserError as error:
            message = [str(error)]
    broadcast_object_list(message)
    if message[0]:
        raise UserError(message[0])


def _look_over(work: PredictionWork, benchmark: Benchmark, data: Path) -> None:
    """Check truth, images and samples, and say what is left out or read in a way of its own."""
    ids = work.index.ids[: work.limit]
    only = None if work.limit is None else set(ids)
    check = truth_check(benchmark, data, work.split, only=only)
    inspector = Inspector(data)
    with Meter(f"checking {work.split}", len(ids)) as meter:
        samples = (work.index[place] for place in range(len(ids)))
        found = inspector.faults(samples, check, lambda _: meter.advance(1, 1))
        faults = {fault.id: fault.text for fault in found}
    work.bad.count(faults)
    lines = [] if check is None else list(check.conclude())
    if work.limit is None:
        lines += left_out(data, benchmark.card.splits[work.split].files, inspector.images)
    for line in [*lines, *inspector.remarks()]:
        say(line)
