"""Recipes of captioning by masked words; COCO's and nocaps' differ in little."""

from dataclasses import dataclass, replace

from evalsuite.records.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class CaptioningRecipe(Recipe):
    """How words are hidden and judged in fine-tuning, and how captions are searched for.

    `mask_rate` is the share of hidden words. From the step after `drop_worst_after`, the share
    `drop_worst` of a micro-batch's losses, its largest, is left out: captions that do not fit.
    `max_new` is the official num_max_bpe_tokens of generation and counts <s>, the mask slot and
    </s>: 64 in the official test commands, 32 in its validation while training. `greedy` takes the
    likeliest word every time instead of searching with `num_beams`.
    """

    mask_rate: float = 0.7
    label_smoothing: float = 0.1
    drop_worst: float = 0.2
    drop_worst_after: int = 12000
    max_new: int = 64
    num_beams: int = 3
    length_penalty: float = 0.6
    greedy: bool = False
    augment: bool = True
    randaug: bool = True


OFFICIAL = "unilm beit3/get_started/get_started_for_captioning.md @768a3c8"
BASE = CaptioningRecipe(
    source=f"{OFFICIAL}, COCO, base, 8 GPUs x 32",
    image_size=480,
    batch_size=256,
    epochs=10,
    warmup_epochs=1,
    lr=4e-5,
    drop_path=0.1,
    micro_batch=32,
    precision="bf16",  # the official run is fp16; bf16 needs no loss scaling
    max_text_tokens=32,
)
LARGE = replace(
    BASE,
    source=f"{OFFICIAL}, COCO, large, 8 GPUs x 32",
    lr=8e-6,
    activation_checkpointing=True,
)
# Crops and flips would make "left" and what is named wrong.
TINY = CaptioningRecipe(
    source="ours: the best of a few runs on the tiny world, two CPU cores",
    weights="beit3_tiny_itc_patch8_32.safetensors",
    image_size=32,
    batch_size=64,
    epochs=0.4,
    warmup_epochs=0.05,
    lr=1e-3,
    clip_norm=1.0,
    max_text_tokens=32,
    max_new=32,
    augment=False,
    randaug=False,
)
