from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import timm
import torch
from timm.models.vision_transformer import _convert_beit3
from torch import Tensor, nn
from torchscale_beit3 import official_beit3, official_features, prefixed

from evalsuite.backbones.beit3.config import CONFIGS, Beit3Config
from evalsuite.backbones.beit3.model import Beit3, beit3
from evalsuite.backbones.beit3.positions import resampled_positions
from evalsuite.backbones.loading import load_weights
from evalsuite.heads.matching import RetrievalHead
from evalsuite.heads.pooled import AnswerHead, ImageClassHead, PairHead
from evalsuite.heads.words import WordHead
from evalsuite.records.errors import UserError

SMALL = replace(CONFIGS["beit3_tiny"], vocab_size=100)
NUM_IMAGE_TOKENS = 17
IMAGE = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
TEXT = torch.randint(0, 100, (3, 9), generator=torch.Generator().manual_seed(2))
PADDING = torch.arange(9) >= torch.tensor([[9], [4], [6]])


def loaded(config: Beit3Config, official: nn.Module) -> Beit3:
    model = Beit3(config, seed=None)
    load_weights(model, None, prefixed(official))
    return model.eval()


def largest_gap(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


@pytest.mark.parametrize("final_norm", [True, False])
@pytest.mark.parametrize(
    ("image", "text", "padding"),
    [
        (IMAGE, None, None),
        (None, TEXT, None),
        (None, TEXT, PADDING),
        (IMAGE, TEXT, None),
        (IMAGE, TEXT, PADDING),
    ],
    ids=["image", "text", "padded text", "fused", "padded fused"],
)
def test_features_equal_torchscale(
    image: Tensor | None, text: Tensor | None, padding: Tensor | None, final_norm: bool
) -> None:
    config = replace(SMALL, final_norm=final_norm)
    official = official_beit3(config)
    expected = official_features(
        official, visual_tokens=image, textual_tokens=text, text_padding_position=padding
    )
    with torch.no_grad():
        features = loaded(config, official)(image, text, padding_BT=padding)
    assert largest_gap(features.tokens_BLD, expected) <= 1e-5
    assert features.num_image_tokens == (0 if image is None else NUM_IMAGE_TOKENS)


def test_causal_text_equals_torchscale_with_the_captioning_mask() -> None:
    official = official_beit3(SMALL)
    blocked = torch.ones(26, 26).triu(1)
    blocked[:NUM_IMAGE_TOKENS, :NUM_IMAGE_TOKENS] = 0
    expected = official_features(
        official,
        visual_tokens=IMAGE,
        textual_tokens=TEXT,
        text_padding_position=PADDING,
        attn_mask=blocked,
    )
    with torch.no_grad():
        features = loaded(SMALL, official)(IMAGE, TEXT, padding_BT=PADDING, causal_text=True)
    assert largest_gap(features.tokens_BLD, expected) <= 1e-5


def test_masked_patches_equal_torchscale() -> None:
    official = official_beit3(SMALL)
    masked = torch.rand(3, 16, generator=torch.Generator().manual_seed(3)) < 0.4
    expected = official_features(official, visual_tokens=IMAGE, vision_masked_position=masked)
    with torch.no_grad():
        features = loaded(SMALL, official)(IMAGE, masked_BN=masked)
    assert largest_gap(features.tokens_BLD, expected) <= 1e-5


def test_a_base_sized_model_equals_torchscale() -> None:
    config = replace(CONFIGS["beit3_base"], depth=3, vocab_size=100)
    official = official_beit3(config)
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    expected = official_features(official, visual_tokens=image, textual_tokens=TEXT[:1])
    with torch.no_grad():
        features = loaded(config, official)(image, TEXT[:1])
    scale = float(expected.abs().max())
    assert largest_gap(features.tokens_BLD, expected) <= 1e-5 * max(scale, 1.0)


def test_image_classification_equals_timm() -> None:
    config = replace(
        CONFIGS["beit3_base"], depth=2, image_size=64, vocab_size=100, final_norm=False
    )
    generator = torch.Generator().manual_seed(0)
    head = ImageClassHead(768, 10)
    state = prefixed(official_beit3(config))
    state |= {
        k: 0.1 * torch.randn(t.shape, generator=generator) for k, t in head.state_dict().items()
    }
    model = Beit3(config, seed=None)
    load_weights(model, head, state)
    theirs = timm.create_model("beit3_base_patch16_224", depth=2, img_size=64, num_classes=10)
    theirs.load_state_dict(_convert_beit3(dict(state), theirs))
    image = torch.randn(2, 3, 64, 64, generator=generator)
    with torch.no_grad():
        gap = largest_gap(head(model.eval()(image)), theirs.eval()(image))
    assert gap <= 1e-5


# Exact parameter counts and key counts: state dictionaries of the official models.
COUNTS = {
    ("base", "vqa", 384): (227_861_817, 497),
    ("base", "vqa", 480): (228_110_649, 497),
    ("large", "vqa", 384): (682_653_753, 977),
    ("large", "vqa", 480): (682_985_529, 977),
    ("large", "vqa", 768): (684_423_225, 977),
    ("base", "nlvr2", 224): (225_719_810, 499),
    ("large", "nlvr2", 224): (681_109_506, 979),
    ("base", "retrieval", 224): (222_167_041, 494),
    ("base", "retrieval", 384): (222_458_881, 494),
    ("large", "retrieval", 224): (674_799_617, 974),
    ("large", "retrieval", 384): (675_188_737, 974),
    ("base", "captioning", 224): (270_211_082, 493),
    ("base", "captioning", 480): (270_751_754, 493),
    ("large", "captioning", 480): (739_033_610, 973),
    ("base", "imagenet", 224): (221_754_856, 491),
    ("large", "imagenet", 224): (673_725_416, 971),
}
HEADS: dict[str, Callable[[int], nn.Module]] = {
    "vqa": partial(AnswerHead, num_answers=3129),
    "nlvr2": PairHead,
    "retrieval": RetrievalHead,
    "captioning": partial(WordHead, vocab_size=64010),
    "imagenet": ImageClassHead,
}


@pytest.mark.parametrize(("size", "task", "image_size"), COUNTS)
def test_parameters_and_keys_are_counted_as_in_the_official_models(
    size: str, task: str, image_size: int
) -> None:
    norm = task not in ("vqa", "imagenet")
    with torch.device("meta"):
        model = beit3(f"beit3_{size}", image_size=image_size, final_norm=norm)
        head = HEADS[task](model.width)
    state = model.to_official(model.state_dict()) | head.state_dict()
    assert (sum(t.numel() for t in state.values()), len(state)) == COUNTS[size, task, image_size]


def test_official_keys_are_those_of_torchscale() -> None:
    model = beit3("beit3_base", seed=None)
    with torch.device("meta"):
        official = official_beit3(CONFIGS["beit3_base"]).state_dict()
    ours = model.to_official(model.state_dict())
    assert {k: t.shape for k, t in ours.items()} == {k: t.shape for k, t in official.items()}


@pytest.mark.parametrize(
    ("part", "millions"),
    [(r"ffn.A.", 692), (r"ffn.B.", 692), (r"ffn.AB.", 52), (r"attention.AB.", 317)],
)
def test_giant_has_the_papers_parameters_per_part(part: str, millions: int) -> None:
    giant = beit3("beit3_giant", seed=None)
    matrices = {name: p.numel() for name, p in giant.named_parameters() if p.ndim == 2}
    counted = sum(number for name, number in matrices.items() if f".{part}" in name)
    assert round(counted / 1e6) == millions


def test_a_fusion_expert_serves_fused_passes_only() -> None:
    config = replace(SMALL, shared_attention=True, num_fusion_layers=2)
    model = Beit3(config).eval()
    before = [model(IMAGE).tokens_BLD, model(None, TEXT).tokens_BLD, model(IMAGE, TEXT).tokens_BLD]
    with torch.no_grad():
        model.get_parameter("layers.3.ffn.AB.fc2.bias").add_(1.0)
    after = [model(IMAGE).tokens_BLD, model(None, TEXT).tokens_BLD, model(IMAGE, TEXT).tokens_BLD]
    changed = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [False, False, True]


def test_positions_are_resized_by_the_official_rule() -> None:
    table = torch.randn(3 + 16, 8, generator=torch.Generator().manual_seed(0))
    picture = table[3:].T.reshape(1, 8, 4, 4)
    up = nn.functional.interpolate(picture, (6, 6), mode="bicubic", align_corners=False)
    resized = resampled_positions(table, (4, 4), (6, 6))
    assert torch.equal(resized[:3], table[:3])
    assert torch.equal(resized[3:], up.reshape(8, 36).T)


def test_a_tiny_model_keeps_its_sines_in_every_size_and_interpolates_what_it_learnt() -> None:
    key = "embed_positions.A.weight"
    start = beit3("beit3_tiny").embed_positions["A"].get_parameter("weight").detach()
    large = beit3("beit3_tiny", image_size=128)
    sines = large.embed_positions["A"].get_parameter("weight").detach()
    learnt = torch.randn(start.shape, generator=torch.Generator().manual_seed(0))
    resized = large.resized(key, start + learnt)
    assert resized is not None
    wanted = resampled_positions(learnt, (4, 4), (16, 16))[3:] + sines[3:]
    torch.testing.assert_close(resized[3:], wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_stays_close(dtype: torch.dtype) -> None:
    model = Beit3(SMALL).eval()
    with torch.no_grad():
        exact = model(IMAGE, TEXT, padding_BT=PADDING).tokens_BLD
        with torch.autocast("cpu", dtype):
            rounded = model(IMAGE, TEXT, padding_BT=PADDING).tokens_BLD
    assert float((exact - rounded).norm() / exact.norm()) < 0.02


def test_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for saving in (False, True):
        model = Beit3(replace(SMALL, drop_path=0.5, activation_checkpointing=saving)).train()
        torch.manual_seed(0)
        model(IMAGE, TEXT, padding_BT=PADDING).tokens_BLD.square().mean().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_dropped_paths_skip_whole_samples_and_keep_the_mean() -> None:
    config = replace(SMALL, depth=2, drop_path=0.5)
    layer = Beit3(config).train().layers[1]
    streams = {"A": torch.randn(400, 2, 96), "B": torch.randn(400, 3, 96)}
    full = {m: x - streams[m] for m, x in layer.eval()(streams, None).items()}
    torch.manual_seed(0)
    dropped = {m: x - streams[m] for m, x in layer.train()(streams, None).items()}
    untouched = {m: (x == 0).all(dim=(1, 2)) for m, x in dropped.items()}
    assert torch.equal(untouched["A"], untouched["B"])
    # Both residuals of the layer drop independently: a quarter of the samples pass unchanged.
    assert untouched["A"].float().mean() == pytest.approx(0.25, abs=0.07)
    assert full["A"].abs().min() > 0


def test_the_same_seed_gives_the_same_weights_whatever_the_global_state() -> None:
    torch.manual_seed(1)
    first = Beit3(SMALL, seed=7).state_dict()
    torch.manual_seed(2)
    second = Beit3(SMALL, seed=7).state_dict()
    other = Beit3(SMALL, seed=8).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["text_embed.weight"], other["text_embed.weight"])


def test_official_start_has_the_released_codes_spread() -> None:
    model = Beit3(replace(SMALL, init="official"))
    linear = model.get_parameter("layers.0.ffn.A.fc1.weight").detach()
    assert float(linear.abs().max()) <= 0.02
    assert float(linear.std()) == pytest.approx(0.0108, abs=0.0002)
    assert float(model.text_embed.weight.detach().std()) == pytest.approx(96**-0.5, rel=0.05)
    assert not model.vision_embed.cls_token.any()


@pytest.mark.parametrize(
    ("parameter", "depth"),
    [
        ("text_embed.weight", 0),
        ("vision_embed.proj.weight", 0),
        ("embed_positions.B.weight", 0),
        ("layers.0.ffn.A.fc1.weight", 1),
        ("layers.3.attention.B.qkv.bias", 4),
        ("final_norm.A.weight", 5),
    ],
)
def test_layer_numbers_are_the_official_ones(parameter: str, depth: int) -> None:
    assert beit3("beit3_tiny", seed=None).depth_of(parameter) == depth


def test_weight_decay_spares_what_the_official_rule_spares() -> None:
    model = beit3("beit3_tiny", seed=None)
    matrices = [n for n, p in model.named_parameters() if p.ndim > 1]
    spared = [name for name in matrices if not model.decays(name)]
    assert sorted(spared) == ["embed_positions.A.weight", "vision_embed.cls_token"]
    assert not model.decays("layers.0.ffn.A.fc1.bias")


def test_impossible_inputs_are_refused() -> None:
    model = Beit3(SMALL)
    with pytest.raises(ValueError, match="neither images nor texts"):
        model()
    with pytest.raises(ValueError, match=r"takes \[B, 3, 32, 32\]"):
        model(torch.zeros(1, 3, 48, 48))
    with pytest.raises(ValueError, match="at most 64"):
        model(None, torch.zeros(1, 65, dtype=torch.long))
    with pytest.raises(UserError, match="no BEiT-3 named 'beit3_huge'"):
        beit3("beit3_huge")
    with pytest.raises(UserError, match="not a multiple"):
        beit3("beit3_base", image_size=100)
