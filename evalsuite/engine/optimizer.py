"""AdamW with the parameter groups and the schedule of the released BEiT-3 code."""

import math

from torch import nn
from torch.optim import AdamW

from evalsuite.contracts.backbone import Backbone
from evalsuite.engine.plan import Plan
from evalsuite.records.recipe import Recipe


def optimizer_for(backbone: Backbone, head: nn.Module, recipe: Recipe) -> AdamW:
    """Return AdamW over backbone and head; each group holds its `scale` of the learning rate.

    A parameter's scale is layer_decay ** (layers above it); in the head it is `head_lr_factor`
    where the official name starts with "head". Source: unilm beit3/optim_factory.py @768a3c8.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in backbone.named_parameters():
        above = backbone.depth + 1 - backbone.depth_of(name)
        key = (recipe.layer_decay**above, backbone.decays(name))
        groups.setdefault(key, []).append(parameter)
    for name, parameter in head.named_parameters():
        factor = recipe.head_lr_factor if name.startswith("head") else 1.0
        decays = parameter.ndim > 1 and not name.endswith(".bias")
        groups.setdefault((factor, decays), []).append(parameter)
    return AdamW(
        [
            {
                "params": parameters,
                "scale": scale,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (scale, decays), parameters in groups.items()
        ],
        lr=recipe.lr,
        betas=recipe.betas,
        eps=1e-8,  # unilm beit3/run_beit3_finetuning.py @768a3c8
    )


def learning_rate(step: int, plan: Plan, recipe: Recipe) -> float:
    """Return the rate of a step: linear from 0 over the warm-up, then down to `min_lr`.

    That is a cosine, a straight line, or the recipe's drops to a tenth each.
    """
    if step < plan.warmup_steps:
        return recipe.lr * step / max(1, plan.warmup_steps - 1)
    if recipe.lr_drops:
        num_drops = sum(step >= share * plan.num_steps for share in recipe.lr_drops)
        return max(recipe.min_lr, recipe.lr * 0.1**num_drops)
    progress = (step - plan.warmup_steps) / max(1, plan.num_steps - plan.warmup_steps)
    if recipe.linear_decay:
        return recipe.min_lr + (recipe.lr - recipe.min_lr) * (1 - progress)
    return recipe.min_lr + 0.5 * (recipe.lr - recipe.min_lr) * (1 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: AdamW, rate: float) -> None:
    """Give every group its share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
