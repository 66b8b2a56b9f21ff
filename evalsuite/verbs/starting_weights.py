"""The weights that a run starts from: where they come from, and what they can do as they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor, nn

from evalsuite.backbones.beit3.recognise import head_key, read_weights, recognise
from evalsuite.backbones.weight_folder import weight_source
from evalsuite.backbones.weights import is_shipped, local_file
from evalsuite.catalog import backbone_names, check_known
from evalsuite.contracts.benchmark import Card
from evalsuite.records.errors import UserError
from evalsuite.records.recipe import Recipe

SCRATCH = "scratch"  # in the place of a file: start from nothing; `./scratch` is a file
TINY_BACKBONE = "beit3_tiny"
CONTRASTIVE = " or of contrastive tuning, as beit3_base_itc_patch16_224.pth"


class Weights(NamedTuple):
    """The starting weights: where they come from, and what the file holds.

    `is_usual` marks those that the recipe chose because nobody named any. `notes` says what was
    chosen in the file and which prefixes its keys lost.
    """

    origin: str
    sha256: str | None
    state: Mapping[str, Tensor] | None
    is_usual: bool = False
    notes: tuple[str, ...] = ()


def weights_named(name: str | None, seed: int, *, is_usual: bool = False) -> Weights:
    """Return the weights of a name, downloaded where they are not here.

    Args:
        name: a path (of a file, a folder, an index of shards), an address, or the name of a
            shipped or released file; None and "scratch" start from scratch.

    Raises:
        UserError: there is no such file, or it holds no weights.
    """
    if name is None or name == SCRATCH:
        return Weights(f"from scratch, seed {seed}", None, None, is_usual)
    path = local_file(name)
    source = weight_source(path)
    if len(source.files) == 1:
        path = source.files[0]
    # A shipped file lies wherever the package was installed: its name says more.
    origin = f"pretrained: {path.name}" if is_shipped(path) else str(path)
    state, notes = read_weights(source)
    return Weights(origin, source.sha256, state, is_usual, notes)


def backbone_of(asked: str | None, weights: Weights | None) -> str:
    """Return the backbone that is asked for, or the one whose weights are given.

    Raises:
        UserError: there is no backbone of that name, or the weights are of none that has one.
    """
    if asked is not None:
        check_known("backbone", asked, backbone_names())
        return asked
    if weights is None or weights.state is None:
        return TINY_BACKBONE
    found = recognise(weights.state, weights.origin).backbone
    if found is None:
        raise UserError(f"{weights.origin}: of no known size; name one with --backbone")
    return found


def holds_head(state: Mapping[str, Tensor], head: nn.Module) -> bool:
    """Return whether a file holds every weight of a head, and not just to start from.

    Files of masked pretraining hold the word head that captioning goes on with, and those of
    contrastive tuning may: the first of HEAD_KEYS in a file says what it was last trained for,
    and must then be one of the head's own.
    """
    own = head.state_dict().keys()
    last_trained = head_key(state)
    return own <= state.keys() and (last_trained is None or last_trained in own)


def check_zero_shot(card: Card, weights: Weights, can_serve: bool, new_head: bool) -> None:
    """Check that the weights can serve as they are.

    Raises:
        UserError: they hold no head for the task, or a new one is asked for.
    """
    if new_head:
        raise UserError("--zero-shot fine-tunes nothing and --new-head does: give one of them")
    if not can_serve:
        others = CONTRASTIVE if card.head_from_pretraining else ""
        raise UserError(
            f"--zero-shot {card.name}: {weights.origin} holds no head for it; expected weights "
            f"of this task{others}, or leave --zero-shot out to fine-tune"
        )


def recipe_of_weights(recipe: Recipe, weights: Weights, settings: tuple[str, ...]) -> Recipe:
    """Return the recipe at the resolution that the weights were fine-tuned at.

    The released models are evaluated at their training resolution.
    """
    if weights.state is None or any(item.startswith("image_size=") for item in settings):
        return recipe
    return replace(recipe, image_size=recognise(weights.state, weights.origin).image_size)
