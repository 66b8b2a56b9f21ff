"""The tiny world's table as a page, and the radar of its rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tinyworld_cells import DECAY, Finished
from tinyworld_numbers import Summary, Table, standing, table_of, tuned
from tinyworld_rows import (
    ARMS,
    DECAY_GRID,
    GOALS,
    LR_GRID,
    MORE_ROWS,
    ROWS,
    ROWS_WANTED,
    SCRATCH,
    SCRATCH_DECAY,
    SCRATCH_LR,
    ZERO_SHOT,
    Row,
)

from evalsuite.catalog import task_named
from evalsuite.records.files import write_text
from evalsuite.report.from_scratch import is_same_recipe
from evalsuite.report.radar.draw import radar
from evalsuite.report.radar.series import FEWEST_AXES, Axis, Point, Series

KEPT = "<!-- Written by hand from here on; `make tinyworld-table` keeps it. -->"
MACHINE = ("device", "processor", "instructions", "matrix_library")
INTRODUCTION = """\
# What pretraining buys on the tiny world

Written by `make tinyworld-table` (`benchmarks/tinyworld.py`) from the log of its runs; every cell
is a run folder.

Rows are tasks of the tiny world; arms are what fine-tuning starts from. All arms share recipe,
budget, data and seeds; scratch has the initialisation that pretraining started from, and a learning
rate of its own, tuned below. The arm grounded is masked + itc + grounding, made for dense tasks. A
cell reads **mean [95% interval] (lowest..highest seed)**. The interval is that of the mean over
seeds: the half-width of the single seeds' 95% intervals (bootstrap over test samples; averaged, as
all seeds answer the same samples) and the half-width of a mean over so many seeds (Student's t),
added in quadrature. Two arms differ only where these intervals do not overlap. Baselines look
at no image. Zero-shot evaluation has no seed, and from scratch it is chance. An arm is one
pretraining: how far another one would differ is not measured.
Reports of runs with these recipes show scratch's means beside the baselines
(`evalsuite/report/from_scratch.json`, written with this page).
"""


def write_page(log: Sequence[Finished], arms: Sequence[str], page: Path) -> None:
    """Write the page and, beside it, the radar; what stands by hand at its end is kept."""
    table = table_of(log, arms)
    picture = page.with_suffix(".svg")
    parts = [INTRODUCTION, *_rows(table), *_standings(table), *_goals(table)]
    if draw(table, picture):
        parts += [f"## Radar\n\n![what each arm reaches]({picture.name})\n"]
    parts += [*_learning_rates(log), *_circumstances(table)]
    write_text(page, "\n".join(parts) + f"\n{_by_hand(page)}")


def draw(table: Table, path: Path) -> bool:
    """Draw what each arm reaches on the ten rows, from 0 to each metric's limit, if that is enough.

    Returns whether it was.
    """
    shown = [row for row in ROWS if any(table.summary(row, arm) for arm in table.arms)]
    series = []
    for arm in table.arms[:7]:
        found = {row.name: table.summary(row, arm) for row in shown}
        points = {name: Point(one.mean, (one.low, one.high)) for name, one in found.items() if one}
        if points:
            is_scratch = arm == SCRATCH  # drawn hollow and dashed
            series.append(Series(arm, points, "tiny world", is_scratch, is_run=True))
    if len(shown) < FEWEST_AXES:
        return False
    axes = [
        Axis(
            name=row.name, title=row.title, detail=row.metric, board="",
            metric=row.score, split="", regime="", variant="",
        )
        for row in shown
    ]  # fmt: skip
    radar(series, path=path, scaling="absolute", axes=axes, width=5.0)
    return True


def usual_arm(row: Row) -> str:
    """Return the arm that `evalsuite eval` is, without --weights, for a row's task."""
    task = "retrieval_coco" if row.task == ZERO_SHOT else row.task
    weights = task_named(task).recipe("beit3_tiny").weights
    file = weights or SCRATCH
    return {file: arm for arm, file in ARMS.items()}.get(file, file)


def _rows(table: Table) -> Iterator[str]:
    """Yield the table of all rows and arms."""
    yield "## Rows\n"
    yield f"| row | score | baseline | {' | '.join(table.arms)} |"
    yield f"|---|---|---:|{'---:|' * len(table.arms)}"
    for row in (*ROWS, *MORE_ROWS):
        found = [table.summary(row, arm) for arm in table.arms]
        if row in MORE_ROWS and not any(found):
            continue
        baseline = table.baseline(row)
        cells = [row.title, row.metric, "" if baseline is None else f"{baseline:.1f}"]
        yield f"| {' | '.join([*cells, *(_cell(one) for one in found)])} |"
    yield ""
    rows = {row.name: row for row in (*ROWS, *MORE_ROWS)}
    pool, distinct = table.pool(rows["tr"]), table.pool(rows["tr_distinct"])
    if pool and distinct:
        yield (
            f"{distinct} of the retrieval pool's {pool} images show different things; the other "
            f"{pool - distinct} repeat the shapes, colours, sizes and cells of one before them, so "
            "that most captions cannot tell them apart. The rows of distinct images leave them "
            "out.\n"
        )


def _cell(found: Summary | None) -> str:
    return "-" if found is None else str(found)


def _standings(table: Table) -> Iterator[str]:
    """Yield how every arm stands to scratch in the ten rows, and the counts."""
    others = [arm for arm in table.arms if arm != SCRATCH]
    yield "## Against scratch\n"
    yield "Difference of the means; above or below only where the intervals are apart.\n"
    yield f"| row | {' | '.join(others)} |"
    yield f"|---|{'---|' * len(others)}"
    for row in ROWS:
        cells = [_against(table, row, arm) for arm in others]
        yield f"| {row.title}, {row.metric} | {' | '.join(cells)} |"
    counts = [f"{wins(table, arm)} of {len(ROWS)}" for arm in others]
    yield f"| **rows above scratch** | {' | '.join(counts)} |\n"


def _against(table: Table, row: Row, arm: str) -> str:
    """Return the difference to scratch, and whether the intervals are apart."""
    mine, scratch = table.summary(row, arm), table.summary(row, SCRATCH)
    if mine is None or scratch is None:
        return "-"
    return f"{mine.mean - scratch.mean:+.1f} {standing(mine, scratch)}"


def wins(table: Table, arm: str | None = None) -> int:
    """Return in how many of the ten rows an arm (the usual one by default) is above scratch."""
    count = 0
    for row in ROWS:
        mine = table.summary(row, arm or usual_arm(row))
        scratch = table.summary(row, SCRATCH)
        count += mine is not None and scratch is not None and standing(mine, scratch) == "above"
    return count


def _goals(table: Table) -> Iterator[str]:
    """Yield the goals, and whether the weights that `evalsuite eval` starts from reach them."""
    rows = {row.name: row for row in (*ROWS, *MORE_ROWS)}
    yield "## Goals\n"
    yield "Of the weights that a recipe starts from by itself; a goal is held against the mean.\n"
    yield "| goal | found | |\n|---|---|---|"
    for goal, (names, least) in GOALS.items():
        found = [(rows[name], usual_arm(rows[name])) for name in names]
        summaries = [table.summary(row, arm) for row, arm in found]
        reached = [one.mean for one in summaries if one is not None]
        verdict = "not measured"
        if len(reached) == len(summaries):
            verdict = "reached" if min(reached) >= least else "**NOT REACHED**"
        cells = "; ".join(
            f"{_cell(s)} ({arm})" for s, (_, arm) in zip(summaries, found, strict=True)
        )
        yield f"| {goal} | {cells} | {verdict} |"
    count, usual = wins(table), sorted({usual_arm(row) for row in ROWS})
    asked = all(table.summary(row, arm) for row in ROWS for arm in (usual_arm(row), SCRATCH))
    verdict = "reached" if count >= ROWS_WANTED else "**NOT REACHED**" if asked else "not measured"
    goal = f"Above scratch, intervals apart, in at least {ROWS_WANTED} of {len(ROWS)} rows"
    yield f"| {goal} | {count} of {len(ROWS)} ({', '.join(usual)}) | {verdict} |\n"


def _learning_rates(log: Sequence[Finished]) -> Iterator[str]:
    """Yield what tuning found for scratch, and what the table uses."""
    found = tuned(log)
    grid = [f"{lr:g}" for lr in LR_GRID]
    yield "## Learning rates of scratch\n"
    yield (
        "Tried on seed 0, on the split that is reported (which can only favour scratch); the "
        "pretrained arms keep their recipe's rate. Where the recipe has a layer decay, scratch has "
        "one of its own.\n"
    )
    yield f"| task | {' | '.join(grid)} | used |"
    yield f"|---|{'---:|' * len(grid)}---:|"
    scores = {row.task: row.score for row in reversed((*ROWS, *MORE_ROWS))}
    for task, rate in SCRATCH_LR.items():
        cells = {own: cell.score(scores[task]).value for own, cell in found.get(task, {}).items()}
        used = f"{rate:g}"
        if task in SCRATCH_DECAY:
            used = f"{SCRATCH_DECAY[task]:g}, {used}"
        said = used
        if cells and max(cells, key=lambda own: cells[own]) != used:
            said += " (not the best of those tried)"
        for decay in DECAY_GRID if task in SCRATCH_DECAY else (None,):
            own = [lr if decay is None else f"{decay:g}, {lr}" for lr in grid]
            values = [f"{cells[one]:.1f}" if one in cells else "-" for one in own]
            name = task if decay is None else f"{task}, layer decay {decay:g}"
            yield f"| {name} | {' | '.join(values)} | {said if used in own else ''} |"
    yield ""


def _circumstances(table: Table) -> Iterator[str]:
    """Yield files, budgets, machine and what is missing."""
    cells = [cell for listed in table.cells.values() for cell in listed]
    yield "## How it was run\n"
    for arm in table.arms:
        one = next((cell for cell in cells if cell.arm == arm), None)
        if one is not None and one.weights is not None:
            yield f"- {arm}: `{one.file}`, SHA-256 `{one.weights[:16]}`"
    for task in dict.fromkeys(cell.task for cell in cells):
        yield _budget(task, [cell for cell in cells if cell.task == task])
    for what, keys in (("commits", ("commit",)), ("machines", MACHINE)):
        seen = dict.fromkeys(
            ", ".join(str(cell.environment[key]) for key in keys if key in cell.environment)
            for cell in cells
        )
        yield f"- {what}: {'; '.join(seen)}"
    worlds = dict.fromkeys(f"seed {one.world['seed']}, size {one.world['size']}" for one in cells)
    yield f"- world: {'; '.join(worlds)}"
    hours = sum(cell.seconds for cell in cells) / 3600
    yield f"- {len(cells)} cells, {hours:.1f} hours of one core\n"


def _budget(task: str, cells: Sequence[Finished]) -> str:
    """Return what a task's cells cost, its settings and seeds."""
    seconds = sum(cell.seconds for cell in cells) / len(cells) / 60
    named = dict.fromkeys(item for cell in cells for item in cell.settings)
    settings = [item for item in named if not item.startswith(("lr=", DECAY))]
    samples = max(cell.samples for cell in cells)  # a run that was killed and resumed lost some
    text = f"- {task}: {samples:,.0f} training samples, {seconds:.1f} minutes a run"
    text += f", settings {' '.join(settings)}" if settings else ""
    known = [cell.recipe for cell in cells if cell.recipe]
    if any(not is_same_recipe(recipe, known[-1]) for recipe in known):
        text += ", **not all by the same recipe**"
    seeds: dict[str, list[int]] = {}
    for cell in cells:
        seeds.setdefault(cell.arm, []).append(cell.seed)
    listed = {arm: ", ".join(map(str, sorted(own))) for arm, own in seeds.items()}
    if len(set(listed.values())) == 1:
        return f"{text}; seeds {next(iter(listed.values()))}"
    return f"{text}; seeds {'; '.join(f'{arm}: {own}' for arm, own in listed.items())}"


def _by_hand(page: Path) -> str:
    """Return what people wrote below the mark."""
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    _, mark, kept = old.partition(KEPT)
    return KEPT + kept if mark else f"{KEPT}\n"
