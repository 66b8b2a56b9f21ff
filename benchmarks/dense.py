"""Time and memory of detection at 1024 pixels: a forward pass and a training step.

    python benchmarks/dense.py [--backbone beit3_base] [--device cpu] [--case NAME] [--limit GIB]

Every case runs in a process of its own, on one image and random weights, with the recipe's windows
and head; "step" is forward, backward and AdamW. There is no official engine to compare with:
BEiT-3's detector was never released. `scorers.py` therefore does not list this.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from evalsuite.tasks.detection.recipes import RECIPES
from harness import cpu_seconds
from torch import Tensor

from evalsuite.backbones.beit3.model import beit3
from evalsuite.engine.optimizer import optimizer_for
from evalsuite.engine.progress import peak_memory_gib
from evalsuite.heads.cascade import Truth
from evalsuite.heads.detector import Detector
from evalsuite.kinds.detection.recipes import DetectionRecipe
from evalsuite.kinds.detection.views import View, ViewFinder, find

NUM_CLASSES = 80
NUM_OBJECTS = 7  # COCO's mean is 7.3 an image
LIMIT_GIB = 12.0  # the goal: a usual workstation with room to spare
CASES = ("forward", "forward bf16", "step", "step bf16", "step saving activations")


def main() -> None:
    """Measure all cases, or print one as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="beit3_base", choices=sorted(RECIPES))
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--limit", type=float, default=LIMIT_GIB)
    arguments = parser.parse_args()
    if arguments.case is not None:
        print(json.dumps(measured(arguments.backbone, arguments.case, arguments.device)))
        return
    print("| case | CPU s | wall s | peak GiB |\n|---|---:|---:|---:|")
    highest = 0.0
    for case in CASES:
        command = [sys.executable, __file__, "--backbone", arguments.backbone]
        command += ["--device", arguments.device, "--case", case]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        highest = max(highest, found["peak_gib"])
        print(
            f"| {case} | {found['cpu_seconds']:.1f} | {found['wall_seconds']:.1f} "
            f"| {found['peak_gib']:.1f} |",
            flush=True,
        )
    sys.exit(0 if highest <= arguments.limit else 1)


def measured(name: str, case: str, device: str) -> dict[str, Any]:
    """Return what a case took; building the model is not counted, but is in the peak."""
    recipe = RECIPES[name]
    if "saving" in case:
        recipe = replace(recipe, activation_checkpointing=True)
    run = prepared(name, recipe, device, trains=case.startswith("step"))
    wall, cpu = time.perf_counter(), cpu_seconds()
    with torch.autocast(device, torch.bfloat16, enabled="bf16" in case):
        run()
    if device == "cuda":
        torch.cuda.synchronize()
    return {
        "cpu_seconds": cpu_seconds() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "peak_gib": peak_memory_gib(),
        "threads": torch.get_num_threads(),
    }


def prepared(
    name: str, recipe: DetectionRecipe, device: str, *, trains: bool
) -> Callable[[], object]:
    """Return what is to be measured, ready."""
    side = recipe.image_size
    backbone = beit3(
        name,
        image_size=side,
        final_norm=False,
        drop_path=recipe.drop_path,
        activation_checkpointing=recipe.activation_checkpointing,
    ).to(device)
    detector = Detector(backbone.width, backbone.patch_size, NUM_CLASSES, recipe.head()).to(device)
    generator = torch.Generator().manual_seed(0)
    image_BCHW = torch.randn(1, 3, side, side, generator=generator).to(device)
    size_B2 = torch.tensor([[side, side]], device=device)
    if not trains:
        backbone.eval()
        detector.eval()
        looking = ViewFinder(
            backbone, detector, recipe.window, recipe.global_layers, recipe.selection()
        )
        view = View(image_BCHW, size_B2, False)
        return torch.inference_mode()(lambda: find(looking, [view], size_B2))
    optimizer = optimizer_for(backbone, detector, recipe)
    truth = Truth(*(column.to(device) for column in objects(side, generator)))

    def step() -> None:
        (map_BDHW,) = backbone.feature_maps(
            image_BCHW, window=recipe.window, global_layers=recipe.global_layers
        )
        losses: Tensor = detector.losses(map_BDHW, size_B2, [truth])
        losses.sum(dim=1).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def objects(side: int, generator: torch.Generator) -> Truth:
    """Return random objects that fill their boxes."""
    corners = torch.rand(NUM_OBJECTS, 4, generator=generator).mul_(side / 2)
    boxes_G4 = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:] + 16], dim=1)
    masks_GHW = torch.zeros(NUM_OBJECTS, side, side, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks_GHW, boxes_G4.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    labels_G = torch.randint(NUM_CLASSES, (NUM_OBJECTS,), generator=generator)
    return Truth(boxes_G4, labels_G, masks_GHW)


if __name__ == "__main__":
    main()
