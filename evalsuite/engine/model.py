"""A backbone and a head, wrapped so that one forward call reaches every trained parameter."""

from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.task import Batch, OpenTask


class TaskModel(nn.Module):
    """What the distributed engine wraps: gradients are averaged for what its forward call uses."""

    def __init__(self, backbone: Backbone, head: nn.Module, task: OpenTask) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self._task = task

    def forward(self, batch: Batch) -> Tensor:
        """Return the task's loss of a batch."""
        return self._task.loss(self.backbone, self.head, batch)


def blinded(batch: Batch) -> dict[str, Tensor]:
    """Return the batch with every image replaced by mid-grey: what a model learns without sight."""
    return {
        name: tensor.zero_() if name.startswith("image") else tensor
        for name, tensor in batch.items()
    }
