"""Four scales from a plain backbone, as BEiT's segmentation models make them."""

from torch import Tensor, nn


class FourScales(nn.Module):
    """Four maps of one scale become maps of four: 4, 2, 1 and 1/2 times as fine.

    With patches of 16 pixels their strides are 4, 8, 16 and 32.

    Source: unilm beit/semantic_segmentation/backbone/beit.py fpn1 to fpn4; its SyncBN is a plain
    batch norm until there are several devices.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fpn1 = nn.Sequential(
            nn.ConvTranspose2d(width, width, kernel_size=2, stride=2),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.ConvTranspose2d(width, width, kernel_size=2, stride=2),
        )
        self.fpn2 = nn.Sequential(nn.ConvTranspose2d(width, width, kernel_size=2, stride=2))
        self.fpn3 = nn.Identity()
        self.fpn4 = nn.MaxPool2d(kernel_size=2, stride=2)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the maps `[B, D, H, W]`, from an early layer's to the last's, at four scales."""
        scales = (self.fpn1, self.fpn2, self.fpn3, self.fpn4)
        return tuple(scale(one) for scale, one in zip(scales, maps, strict=True))
