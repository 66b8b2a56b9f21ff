"""Settings of a recipe of segmentation, and the head and the test that they describe."""

from dataclasses import dataclass

from evalsuite.heads.mask2former import Mask2FormerShape
from evalsuite.heads.upernet import UperNetShape
from evalsuite.kinds.segmentation.augment import Augmentation
from evalsuite.kinds.segmentation.inference import Window
from evalsuite.records.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class SegmentationRecipe(Recipe):
    """A head over four layers of a plain backbone; `image_size` is the side of crop and window.

    `head` is "upernet", `head_width` channels wide, or "mask2former" with the `query_` settings.
    An image's short side is `image_size` before the random scale of `jitter`, and at the test.
    There it is read in windows two thirds of their side apart (`inference` "slide") or at once
    ("whole"); `multi_scale` and `flip_test` average more views of it. `save_maps` journals label
    maps instead of counts.
    """

    taps: tuple[int, ...]
    head: str = "upernet"
    head_width: int = 512
    auxiliary_width: int = 256
    query_width: int = 256
    num_queries: int = 100
    query_encoder_layers: int = 6
    query_decoder_layers: int = 9
    query_points: int = 12544
    jitter: tuple[float, float] = (0.5, 2.0)
    colours: bool = True
    inference: str = "slide"
    multi_scale: bool = False
    flip_test: bool = False
    save_maps: bool = False

    def upernet(self, num_classes: int) -> UperNetShape:
        """Return the shape of a UPerNet."""
        return UperNetShape(
            num_classes=num_classes, width=self.head_width, auxiliary_width=self.auxiliary_width
        )

    def mask2former(self, num_classes: int) -> Mask2FormerShape:
        """Return the shape of a Mask2Former."""
        return Mask2FormerShape(
            num_classes=num_classes,
            width=self.query_width,
            num_queries=self.num_queries,
            encoder_layers=self.query_encoder_layers,
            decoder_layers=self.query_decoder_layers,
            num_points=self.query_points,
        )

    def augmentation(self) -> Augmentation:
        """Return how training images are changed."""
        return Augmentation(self.image_size, self.image_size, self.jitter, self.colours)

    def window(self) -> Window:
        """Return how large images are read at the test."""
        stride = self.image_size * 2 // 3 if self.inference == "slide" else 0
        return Window(self.image_size, stride)
