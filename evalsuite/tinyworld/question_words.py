"""What a question is about: words chosen from a scene so that no answer is much more frequent."""

from collections.abc import Callable

import numpy as np

from evalsuite.tinyworld.scene import COLOURS, SHAPES, Scene, one_of

Generator = np.random.Generator
Words = tuple[str, ...]


def some_shape(scene: Scene, rng: Generator) -> Words:
    """Return the shape of a thing."""
    return (one_of(rng, scene.things).shape,)


def some_colour(scene: Scene, rng: Generator) -> Words:
    """Return the colour of a thing."""
    return (one_of(rng, scene.things).colour,)


def some_cell(scene: Scene, rng: Generator) -> Words:
    """Return the row and the column of a thing."""
    return tuple(one_of(rng, scene.things).place.split())


def some_name(scene: Scene, rng: Generator) -> Words:
    """Return a shape, or a colour and a shape, as one word."""
    thing = one_of(rng, scene.things)
    return (one_of(rng, (thing.shape, f"{thing.colour} {thing.shape}")),)


def nothing(scene: Scene, rng: Generator) -> Words:
    """Return no words."""
    return ()


def counted(attribute: str, choices: Words) -> Callable[[Scene, Generator], Words]:
    """Return a chooser of what to count, so that 0, 1 and more are about equally frequent."""

    def words(scene: Scene, rng: Generator) -> Words:
        present = [getattr(thing, attribute) for thing in scene.things]
        wanted = int(rng.integers(3))
        fitting = [word for word in choices if min(present.count(word), 2) == wanted]
        return (one_of(rng, fitting or choices),)

    return words


def sought(attributes: Words) -> Callable[[Scene, Generator], Words]:
    """Return a chooser of what to look for: there in half of the questions, or nearly there."""

    def words(scene: Scene, rng: Generator) -> Words:
        thing = one_of(rng, scene.things)
        there = {"colour": thing.colour, "shape": thing.shape}
        if rng.random() < 0.5:
            changed = one_of(rng, attributes)
            there[changed] = one_of(rng, COLOURS if changed == "colour" else SHAPES)
        return tuple(there[attribute] for attribute in attributes)

    return words


def claimed(scene: Scene, rng: Generator) -> Words:
    """Return a shape and a colour: its own in half of the cases, else another thing's if any."""
    thing = one_of(rng, scene.things)
    others = [other.colour for other in scene.things if other.colour != thing.colour]
    colour = one_of(rng, others or COLOURS) if rng.random() < 0.5 else thing.colour
    return (thing.shape, colour)


def two_related(scene: Scene, rng: Generator) -> Words:
    """Return the names of two things and a relation."""
    first, second = (one_of(rng, scene.things) for _ in range(2))
    relation = one_of(rng, ("to the left of", "to the right of", "above", "below"))
    return (f"{first.colour} {first.shape}", relation, f"{second.colour} {second.shape}")
