"""UPerNet beside mmseg's, Mask2Former beside transformers': outputs, losses, starting weights."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmseg_oracle import Mmseg, built, mmseg
from torch import Tensor
from transformers.models.mask2former import image_processing_mask2former as official

from evalsuite.heads.mask2former import Mask2Former, Mask2FormerShape
from evalsuite.heads.scales import FourScales
from evalsuite.heads.upernet import UperNet, UperNetShape, pixel_loss, upernet_loss

WIDTH, CLASSES = 24, 7
QUERIES = Mask2FormerShape(
    num_classes=CLASSES,
    width=32,
    num_queries=10,
    encoder_layers=1,
    decoder_layers=3,
    num_points=64,
)


@pytest.fixture(scope="module")
def theirs() -> Mmseg:
    return mmseg()


def maps(batch: int = 2) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(batch, WIDTH, 6, 8, generator=generator) for _ in range(4))


def upernet() -> UperNet:
    return UperNet(WIDTH, UperNetShape(num_classes=CLASSES, width=16, auxiliary_width=8))


def queries() -> Mask2Former:
    return Mask2Former(WIDTH, QUERIES)


def truths() -> Tensor:
    labels = torch.randint(0, CLASSES, (2, 20, 30), generator=torch.Generator().manual_seed(1))
    labels[:, :10] = 255
    return labels.to(torch.uint8)


def mmseg_heads(theirs: Mmseg, head: UperNet) -> list[Any]:
    """Return mmseg's two heads with our weights, strictly loaded under their own keys."""
    common = {
        "num_classes": CLASSES,
        "dropout_ratio": 0.1,
        "align_corners": False,
        "norm_cfg": {"type": "BN"},
    }
    decode = built(
        theirs.heads.UPerHead,
        in_channels=[WIDTH] * 4,
        in_index=[0, 1, 2, 3],
        channels=16,
        **common,
    )
    auxiliary = built(
        theirs.heads.FCNHead,
        in_channels=WIDTH,
        in_index=2,
        channels=8,
        num_convs=1,
        concat_input=False,
        **common,
    )
    state = head.state_dict()
    for name, module in (("decode_head.", decode), ("auxiliary_head.", auxiliary)):
        own = {k.removeprefix(name): t for k, t in state.items() if k.startswith(name)}
        module.load_state_dict(own, strict=True)
    return [decode, auxiliary]


def test_upernet_computes_what_mmsegs_heads_do(theirs: Mmseg) -> None:
    head = upernet().eval()
    decode, auxiliary = mmseg_heads(theirs, head)
    scales = head.scales(maps())
    assert torch.equal(head.decode_head(scales), decode.eval()(scales))
    assert torch.equal(head.auxiliary_head(scales), auxiliary.eval()(scales))


def test_upernet_trains_as_mmsegs_heads_with_the_same_dropout(theirs: Mmseg) -> None:
    head = upernet().train()
    scales = [one.detach() for one in head.scales(maps())]
    modules = mmseg_heads(theirs, head)
    for ours, mmsegs in zip((head.decode_head, head.auxiliary_head), modules, strict=True):
        outputs = []
        for module in (ours, mmsegs.train()):
            torch.manual_seed(3)
            outputs.append(module(scales))
        assert torch.equal(*outputs)


def test_a_file_with_mmsegs_keys_loads() -> None:
    head, other = (
        upernet(),
        UperNet(WIDTH, UperNetShape(num_classes=CLASSES, width=16, auxiliary_width=8), seed=1),
    )
    state = head.state_dict()
    assert "decode_head.psp_modules.3.1.bn.running_mean" in state
    assert "decode_head.conv_seg.bias" in state
    assert "fpn1.3.weight" in state
    other.load_state_dict(state, strict=True)
    assert all(torch.equal(t, other.state_dict()[key]) for key, t in state.items())


def test_the_loss_divides_by_all_pixels_as_mmseg(theirs: Mmseg) -> None:
    logits = torch.randn(2, CLASSES, 5, 8, generator=torch.Generator().manual_seed(2))
    sample: Any = [
        SimpleNamespace(gt_sem_seg=SimpleNamespace(data=one[None].long())) for one in truths()
    ]
    decode, _ = mmseg_heads(theirs, upernet())
    expected = decode.loss_by_feat(logits, sample)["loss_ce"]
    assert pixel_loss(logits, truths()) == pytest.approx(float(expected), rel=1e-6)
    both = {"logits": logits, "auxiliary": logits}
    assert upernet_loss(both, truths()) == pytest.approx(1.4 * float(expected), rel=1e-6)


def test_a_batch_without_labels_has_loss_0_and_gradients() -> None:
    head = upernet().train()
    loss = head.loss(maps(), torch.full((2, 20, 30), 255, dtype=torch.uint8))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0.0
    assert all(torch.isfinite(one.grad).all() for one in head.parameters() if one.grad is not None)


def test_one_image_trains_as_mmseg_with_the_norm_of_its_mean_in_evaluation(theirs: Mmseg) -> None:
    head = upernet().train()
    decode, auxiliary = (module.train() for module in mmseg_heads(theirs, head))
    scales = [one.detach() for one in head.scales(maps(1))]
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        decode(scales)
    decode.psp_modules[0][1].bn.eval()
    with pytest.warns(UserWarning, match="a micro-batch of one image"):
        torch.manual_seed(3)
        found = head(maps(1))
    torch.manual_seed(3)
    assert torch.equal(found["logits"], decode(scales))
    assert torch.equal(found["auxiliary"], auxiliary(scales))


def test_after_one_image_two_are_normalised_by_their_own_statistics() -> None:
    head, fresh = upernet().train(), upernet().train()
    with pytest.warns(UserWarning, match="a micro-batch of one image"):
        head(maps(1))
    outputs = []
    for module in (head, fresh):
        torch.manual_seed(3)
        outputs.append(module(maps())["logits"])
    assert torch.equal(*outputs)


@pytest.mark.parametrize("kind", ["upernet", "mask2former"])
def test_half_precision_changes_the_loss_little(kind: str) -> None:
    head: Any = {"upernet": upernet, "mask2former": queries}[kind]().train()
    losses = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            losses.append(float(head.loss(maps(), truths()).detach()))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_the_four_scales_are_those_of_beit() -> None:
    shapes = [tuple(one.shape[2:]) for one in FourScales(WIDTH)(maps())]
    assert shapes == [(24, 32), (12, 16), (6, 8), (3, 4)]


def test_mask2former_labels_pixels_as_transformers_processor() -> None:
    head = queries().eval()
    with torch.no_grad():
        found = head(maps())
        scores = head.scores(maps(), (384, 384))
    outputs = SimpleNamespace(
        class_queries_logits=found["classes"][:, -1], masks_queries_logits=found["masks"][:, -1]
    )
    processor: Any = official.Mask2FormerImageProcessor()
    expected = processor.post_process_semantic_segmentation(outputs)
    assert torch.equal(scores.argmax(dim=1), torch.stack(expected))


def test_mask2former_starts_as_the_original_on_every_version_of_transformers() -> None:
    state = queries().state_dict()
    for name in ("queries_embedder.weight", "queries_features.weight", "level_embed.weight"):
        assert 0.7 < float(state[f"transformer_module.{name}"].std()) < 1.3
    assert 0.7 < float(state["pixel_decoder.level_embed"].std()) < 1.3
    mask = state["transformer_module.decoder.mask_predictor.mask_embedder.0.0.weight"]
    assert float(mask.abs().max()) == pytest.approx(32**-0.5, rel=0.05)  # nn.Linear's own bound
    # xavier_uniform, of 32 -> 128 features
    encoder = state["pixel_decoder.encoder.layers.0.fc1.weight"]
    assert float(encoder.abs().max()) == pytest.approx((6 / 160) ** 0.5, rel=0.05)
    again = queries().state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in state.items())


def test_mask2former_learns_with_all_its_parameters() -> None:
    head = queries().train()
    torch.manual_seed(0)
    head.loss(maps(), truths()).backward()  # type: ignore[no-untyped-call]
    assert [name for name, one in head.named_parameters() if one.grad is None] == []


@pytest.mark.parametrize("labelled", [0, 1])
def test_mask2former_takes_images_without_labels(labelled: int) -> None:
    truth = truths()
    truth[labelled:] = 255
    head = queries().train()
    loss = head.loss(maps(), truth)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert all(one.grad is not None and one.grad.isfinite().all() for one in head.parameters())
