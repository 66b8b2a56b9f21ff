from dataclasses import replace

import numpy as np
import pytest
import torch

from evalsuite.engine.optimizer import learning_rate
from evalsuite.engine.plan import Plan, micro_batches
from evalsuite.records.recipe import Recipe

RECIPE = Recipe(
    source="test", image_size=32, batch_size=8, epochs=3, warmup_epochs=1, lr=1e-3, min_lr=1e-6
)


def test_every_epoch_sees_every_sample_at_most_once() -> None:
    plan = Plan.of(RECIPE, 20, seed=1)
    batches = list(plan.batches(0))
    assert (plan.steps_per_epoch, plan.num_steps) == (2, 6)
    for epoch in range(3):
        seen = np.concatenate(batches[2 * epoch : 2 * epoch + 2])
        assert len(set(seen.tolist())) == 16


@pytest.mark.parametrize("first", range(6))
def test_a_resumed_plan_goes_on_with_the_same_batches(first: int) -> None:
    plan = Plan.of(RECIPE, 20, seed=1)
    resumed = list(plan.batches(first))
    assert np.array_equal(np.stack(resumed), np.stack(list(plan.batches(0))[first:]))


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("micro", [1, 3, 64])
def test_processes_and_micro_batches_only_cut_the_global_batch(world: int, micro: int) -> None:
    batch = np.arange(8)
    parts = [micro_batches(batch, micro, rank, world) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    seen = np.concatenate([piece for part in parts for piece in part])
    assert sorted(seen.tolist()) == batch.tolist()
    assert max(len(piece) for part in parts for piece in part) <= micro


def test_a_set_smaller_than_the_batch_is_one_step() -> None:
    assert Plan.of(RECIPE, 5, seed=0).num_steps == 3


def test_the_rate_warms_up_from_nothing_to_its_full_in_the_last_warm_up_step() -> None:
    plan = Plan.of(RECIPE, 80, seed=0)
    rates = [learning_rate(step, plan, RECIPE) for step in (0, 3, 6, 9, 10)]
    assert rates == pytest.approx([0.0, 1e-3 / 3, 2e-3 / 3, 1e-3, 1e-3])


def test_after_the_warm_up_the_rate_anneals_as_torchs_cosine() -> None:
    plan = Plan.of(RECIPE, 80, seed=0)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=1e-6)
    expected = []
    for _ in range(10, plan.num_steps):
        expected += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    rates = [learning_rate(step, plan, RECIPE) for step in range(10, plan.num_steps)]
    assert len(rates) == 20 and rates == pytest.approx(expected)


def test_a_linear_decay_is_mmsegs_poly_of_power_1() -> None:
    plan = Plan.of(RECIPE, 80, seed=0)
    recipe = replace(RECIPE, linear_decay=True, min_lr=0.0)
    rates = [learning_rate(step, plan, recipe) for step in range(10, plan.num_steps)]
    assert rates == pytest.approx([1e-3 * (1 - step / 20) for step in range(20)])
