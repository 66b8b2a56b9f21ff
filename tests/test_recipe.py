"""The settings of a recipe act, and a wrong one is refused."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import torch

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.engine.optimizer import optimizer_for
from evalsuite.heads.pooled import AnswerHead
from evalsuite.pretraining.recipes import TOKENIZER
from evalsuite.records.errors import UserError
from evalsuite.records.recipe import Recipe, changed_settings, later
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import finetune
from evalsuite.verbs.prepare import Request, _recipe

RECIPE = Recipe(source="test", image_size=32, batch_size=128, epochs=1, warmup_epochs=0, lr=1e-3)


def test_a_setting_takes_the_type_of_its_field() -> None:
    changed = RECIPE.with_settings(
        ("lr=2e-4", "betas=0.8,0.9", "activation_checkpointing=true", "clip_norm=1", "epochs=0.5")
    )
    assert (changed.lr, changed.betas, changed.clip_norm) == (2e-4, (0.8, 0.9), 1.0)
    assert changed.activation_checkpointing is True
    assert RECIPE.with_settings(("clip_norm=none",)).clip_norm is None


@dataclass(frozen=True, kw_only=True)
class LaterRecipe(Recipe):
    crops: tuple[int, ...] = later((1,))


def test_a_later_setting_keeps_the_names_of_earlier_runs() -> None:
    recipe = LaterRecipe(**asdict(RECIPE))
    assert recipe.to_json() == RECIPE.to_json()
    changed = recipe.with_settings(["crops=1,2"])
    assert changed.to_json() == {**RECIPE.to_json(), "crops": (1, 2)}
    assert changed_settings(recipe, changed, is_trained=True) == {"crops": [(1,), (1, 2)]}
    assert changed_settings(changed, recipe, is_trained=True) == {"crops": [(1, 2), (1,)]}


@pytest.mark.parametrize(
    "setting",
    [
        "lr", "lr=fast", "speed=1", "betas=0.9", "blind=perhaps", "epochs=nan",
        "precision=half", "batch_size=0", "micro_batch=-1",
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_read_is_refused(setting: str) -> None:
    with pytest.raises(UserError, match=f"--set {setting}: expected"):
        RECIPE.with_settings((setting,))


def test_a_choice_names_what_there_is() -> None:
    with pytest.raises(UserError, match="--set codes=pixel: expected one of learnt, pixels"):
        TOKENIZER["beit3_tiny"].with_settings(["codes=pixel"])
    assert TOKENIZER["beit3_tiny"].with_settings(["codes=pixels"]).codes == "pixels"
    assert RECIPE.with_settings(["precision=bf16"]).precision == "bf16"


def test_the_rate_follows_the_batch_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert _recipe(RECIPE, ("batch_size=64",)).lr == pytest.approx(5e-4)
    assert "lr follows, 0.0005 instead of 0.001" in capsys.readouterr().err
    assert _recipe(RECIPE, ("batch_size=64", "lr=1e-3")).lr == 1e-3
    assert "scores may differ" in capsys.readouterr().err


def test_every_layer_learns_at_its_share_of_the_rate() -> None:
    # unilm beit3/optim_factory.py: decay ** (layers above), heads at full rate, embeddings lowest.
    backbone = beit3("beit3_tiny", final_norm=False)
    head = AnswerHead(backbone.width, 5)
    recipe = RECIPE.with_settings(("layer_decay=0.5", "head_lr_factor=20"))
    scale = {
        id(parameter): group["scale"]
        for group in optimizer_for(backbone, head, recipe).param_groups
        for parameter in group["params"]
    }
    named = dict(backbone.named_parameters())
    assert scale[id(named["text_embed.weight"])] == 0.5**5
    assert scale[id(named["layers.3.ffn.A.fc1.weight"])] == 0.5
    assert scale[id(head.pooler.dense.weight)] == 1.0  # the released code boosts `head.*` only
    assert scale[id(head.head[3].weight)] == 20.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("vqa",))
    return folder


def tuned(world: Path, runs: Path, *settings: str) -> dict[str, torch.Tensor]:
    given = ("epochs=1", "batch_size=16", "min_answer_count=2", *settings)
    return read_checkpoint(
        finetune(Request(task="vqa", data=world, runs=runs, settings=given)).weights
    )


def distance(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_checkpointing_changes_nothing_and_an_average_lags_behind(
    world: Path, tmp_path: Path
) -> None:
    plain = tuned(world, tmp_path)
    assert distance(plain, tuned(world, tmp_path, "activation_checkpointing=true")) < 1e-6
    start = tuned(world, tmp_path, "lr=0", "min_lr=0")
    averaged = tuned(world, tmp_path, "ema_decay=0.99")
    assert 0 < distance(start, averaged) < distance(start, plain)


def test_half_precision_follows_full_precision_in_one_process(world: Path, tmp_path: Path) -> None:
    plain, half = tuned(world, tmp_path), tuned(world, tmp_path, "precision=bf16")
    assert 0 < distance(plain, half) < 0.05
