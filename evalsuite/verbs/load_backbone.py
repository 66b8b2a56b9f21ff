"""The verb `load_backbone`: the backbone of a weights file, to be used by other code."""

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.beit3.recognise import read_weights, recognise
from evalsuite.backbones.loading import load_weights
from evalsuite.backbones.weight_folder import weight_source
from evalsuite.backbones.weights import local_file
from evalsuite.contracts.backbone import Backbone
from evalsuite.engine.progress import say
from evalsuite.records.errors import UserError


def load_backbone(weights: str, *, image_size: int | None = None) -> Backbone:
    """Return the backbone of a weights file (a path, a URL or a released file's name).

    Args:
        image_size: pixels per side; the positions are interpolated where it is not the file's.

    Raises:
        UserError: the file is not there, not to be trusted, or of no known backbone.
    """
    path = local_file(weights)
    state, notes = read_weights(weight_source(path))
    for note in notes:
        say(note)
    found = recognise(state, str(path))
    if found.backbone is None:
        raise UserError(f"{path}: a BEiT-3 of no known size")
    size = image_size or found.image_size
    backbone = beit3(found.backbone, image_size=size, final_norm=found.final_norm, seed=None)
    load_weights(backbone, None, state, source=str(path))
    return backbone
