"""The loss over gathered negatives: two processes have the gradient of one at the same batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.backbones.beit3.model import beit3
from evalsuite.data.text import Tokenizer
from evalsuite.kinds.retrieval.embed import DualEncoder, contrastive_loss
from evalsuite.kinds.retrieval.recipes import RetrievalRecipe
from evalsuite.tinyworld.tokenizer import tokenizer_path

RECIPE = RetrievalRecipe(
    source="test", image_size=32, batch_size=9, epochs=1, warmup_epochs=0, lr=1e-3
)
# One process of two: its rows of the batch, weighed and averaged as the engine does.
WORKER = """
import sys
import torch, torch.distributed as dist
from pathlib import Path
from test_contrastive import batch, encoder, model
from torch.nn.parallel import DistributedDataParallel

rank, folder = int(sys.argv[1]), Path(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
trained = DistributedDataParallel(model(), find_unused_parameters=True)
mine = batch(slice(rank, None, 2))
(trained(mine) * (len(mine["text"]) * 2 / 9)).backward()
if rank == 0:
    gradients = {name: p.grad for name, p in trained.module.named_parameters()}
    torch.save(gradients, folder / "gradients.pt")
dist.destroy_process_group()
"""


def encoder(recipe: RetrievalRecipe = RECIPE) -> DualEncoder:
    return DualEncoder(Path(), recipe, Tokenizer(tokenizer_path()))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = beit3("beit3_tiny", seed=0)
        self.head = encoder().head(self.backbone, seed=1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return encoder().loss(self.backbone, self.head, batch)


def model() -> Model:
    return Model()


def batch(rows: slice) -> dict[str, Tensor]:
    """Return some rows of a batch of nine pairs: two processes get five and four."""
    generator = torch.Generator().manual_seed(2)
    return {
        "image": torch.randn(9, 3, 32, 32, generator=generator)[rows],
        "text": torch.randint(4, 300, (9, 7), generator=generator)[rows],
        "padding": torch.arange(7)[None] >= torch.randint(3, 8, (9, 1), generator=generator)[rows],
    }


def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    one = model()
    everything = batch(slice(None))
    torch.autograd.backward(one(everything))
    command = [sys.executable, "-c", WORKER]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    workers = [subprocess.Popen([*command, str(rank), str(tmp_path)], env=here) for rank in (0, 1)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    gradients = torch.load(tmp_path / "gradients.pt")
    for name, parameter in one.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(gradients[name], parameter.grad, atol=1e-6), name


def test_the_loss_is_the_cross_entropy_of_both_directions() -> None:
    images, texts = (
        F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(seed)), dim=1)
        for seed in range(2)
    )
    similarity_IT = (images @ texts.T / 0.07).double()
    by_hand = [
        -matrix[i, i] + matrix[i].exp().sum().log()
        for matrix in (similarity_IT, similarity_IT.T)
        for i in range(6)
    ]
    loss = contrastive_loss(torch.stack([images / 0.07, texts], dim=1))
    assert float(loss) == pytest.approx(float(sum(by_hand)) / 12, abs=1e-5)
