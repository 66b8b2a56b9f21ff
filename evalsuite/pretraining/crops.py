"""Images alone as pretraining reads them."""

from pathlib import Path

from evalsuite.data.images import ImageReader, eval_transform, train_transform


def crop_reader(data: Path, size: int, smallest: float) -> ImageReader:
    """Return what reads random crops of images, whole images where there is no generator.

    Nothing is mirrored: a backbone has to know left from right.

    Args:
        smallest: share of the area that a crop keeps at least; 1 reads whole images.
    """
    crop = train_transform(size, flip=False, scale=(smallest, 1.0))
    return ImageReader(data, eval_transform(size), crop if smallest < 1 else None)
