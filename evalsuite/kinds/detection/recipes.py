"""Settings of a recipe of detection, and the head and the test that they describe."""

from dataclasses import dataclass

from evalsuite.heads.cascade import CascadeSettings
from evalsuite.heads.detector import DetectorSettings
from evalsuite.heads.instance_masks import MaskSettings
from evalsuite.heads.proposals import ProposalSettings
from evalsuite.heads.suppression import Selection
from evalsuite.records.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class DetectionRecipe(Recipe):
    """Cascade Mask R-CNN on a plain backbone; sizes in pixels, `window` in patches (0: none).

    `jitter` is the range of large-scale jitter, as a share of the frame. At the test an image is
    seen once for every one of `test_scales` (pixels per side; none: `image_size`) and, with
    `test_flip`, mirrored too. `pyramid` are the levels' cells per patch, `head_convs` the
    convolutions of the box and mask heads, `roi_samples` the regions of an image to learn from.
    """

    window: int = 0
    global_layers: tuple[int, ...] = ()
    jitter: tuple[float, float] = (0.1, 2.0)
    flip: bool = True
    test_scales: tuple[int, ...] = ()
    test_flip: bool = False
    soft_nms: bool = False
    min_score: float = 0.05
    head_width: int = 256
    head_convs: int = 4
    fc_width: int = 1024
    pyramid: tuple[float, ...] = (4.0, 2.0, 1.0, 0.5)
    roi_samples: int = 512
    anchor_samples: int = 256
    num_proposals: int = 1000

    def head(self) -> DetectorSettings:
        """Return the shape of the head."""
        number = self.num_proposals
        return DetectorSettings(
            width=self.head_width,
            scales=self.pyramid,
            proposals=ProposalSettings(
                samples=self.anchor_samples, pre_train=2 * number, pre_test=number, post=number
            ),
            cascade=CascadeSettings(
                num_convs=self.head_convs, fc_width=self.fc_width, samples=self.roi_samples
            ),
            masks=MaskSettings(num_convs=self.head_convs),
        )

    def selection(self) -> Selection:
        """Return how the reported boxes are chosen."""
        return Selection(min_score=self.min_score, soft=self.soft_nms)
