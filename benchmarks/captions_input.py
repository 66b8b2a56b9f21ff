"""Made captions for the caption benchmarks: 5,000 images, five references each, one hypothesis."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.contracts.benchmark import SampleId
from evalsuite.kinds.captioning.files import read_caption_results, read_coco_captions

NUM_IMAGES = 5000
NUM_REFERENCES = 5
REFERENCES, RESULTS = "captions.json", "results.json"
# Words that may stand for one another, so that METEOR's stems, synonyms and paraphrases have work.
THINGS = """
man|person|guy|gentleman  woman|lady|female|girl  boy|kid|child|youngster  dog|puppy|animal
cat|kitten|kitty  horse|pony|horses  bus|coach|vehicle  car|automobile|cars
bike|bicycle|cycle  motorcycle|motorbike  train|locomotive  plane|airplane|aircraft|jet
boat|ship|vessel  truck|lorry  elephant|elephants  giraffe|giraffes  zebra|zebras
bear|bears  bird|birds|seagull  sheep|lamb  cow|cattle|cows  pizza|pie  sandwich|burger|food
cake|dessert|pastry  banana|bananas|fruit  apple|apples|oranges  plate|dish|bowl
cup|mug|glass  knife|fork|spoon  table|desk|counter  chair|seat|bench  couch|sofa
bed|mattress  lamp|light|lights  computer|laptop|monitor  phone|telephone|cellphone
book|books|magazine  clock|watch  vase|pot|jar  toilet|restroom|bathroom  sink|basin
mirror|reflection  window|windows  umbrella|umbrellas|parasol  kite|kites
surfboard|board|surfboards  skateboard|skate  snowboard|skis|ski  ball|baseball|football
bat|racket|racquet  player|athlete|batter  group|crowd|bunch  people|persons|folks
tie|suit|shirt  hat|cap|helmet  bag|backpack|suitcase|luggage  sign|signal|signs
building|house|tower  tree|trees  flower|flowers  wave|waves  teddy|toy|doll
refrigerator|fridge  oven|stove|microwave
"""
ACTIONS = """
riding|rides  standing|stands  sitting|sits|seated  walking|walks|strolling
holding|holds|carrying  eating|eats|consuming  looking|looks|staring|gazing  playing|plays
jumping|jumps|leaping  flying|flies|soaring  parked|stopped  laying|lying|resting|sleeping
running|runs  driving|drives|traveling  wearing|dressed  swinging|swings  talking|speaking
cutting|slicing  preparing|making|cooking  posing|smiling  waiting|stands  crossing|passing
throwing|throws|tossing  catching|catches  using|operating  watching|observing
"""
PLACES = """
street|road|roadway  beach|shore|sand  ocean|sea|water  park|garden  field|meadow|pasture
kitchen|room  bathroom|restroom  sidewalk|pavement|path  snow|slope|hill|mountain  sky|air
river|lake|pond  city|town|downtown  grass|lawn  court|stadium  airport|runway
station|platform  forest|woods|jungle  restaurant|cafe|diner  table|counter|shelf
office|store|shop|market  background|distance  fence|wall  zoo|enclosure|pen
floor|ground|dirt|carpet
"""
QUALITIES = """
big|large|huge  small|little|tiny  young|older|old|elderly  red  white  black  blue
green|grassy  yellow  brown  wooden  colorful|colourful|bright  several|many|some|few  two|2
three|3  beautiful|pretty|nice  tall|high  long  empty|vacant  busy|crowded  dirty|clean
wet|cloudy|sunny
"""
LINKS = """
on|upon|atop|on top of  in|inside|inside of|within  next to|near|beside|by  with  in front of
under|below|beneath  behind  at  over|above  down|along  through  across|towards
"""
RARE = """don't it's man's t-shirt U.S. St. 'stop' "hello" 1/2 10,000 (left) & #2 No. etc. e-mail"""
SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we yo za chi sta tri lan mer ton"


def make_inputs(folder: Path, seed: int) -> None:
    """Write captions.json and results.json in COCO's formats."""
    generator = np.random.default_rng(seed)
    writer = Writer(generator)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for place in range(NUM_IMAGES):
        image_id = 100 + 113 * place
        images.append({"id": image_id, "file_name": f"{image_id:012d}.jpg"})
        scene = writer.scene()
        for _ in range(NUM_REFERENCES):
            caption = writer.caption(scene, care=0.5)
            record = {"image_id": image_id, "id": len(annotations), "caption": caption}
            annotations.append(record)
        seen = scene if generator.random() < 0.8 else writer.scene()
        said = writer.caption(seen, care=0.0).lower().rstrip(".")
        results.append({"image_id": image_id, "caption": said})
    content = {"info": {}, "licenses": [], "type": "captions", "images": images}
    (folder / REFERENCES).write_text(json.dumps({**content, "annotations": annotations}))
    (folder / RESULTS).write_text(json.dumps(results))


def captions_of(folder: Path) -> tuple[dict[SampleId, list[str]], dict[SampleId, str]]:
    """Return the references and the hypothesis of each image id."""
    file = read_coco_captions(folder / REFERENCES, "made references", "make")
    said = read_caption_results(folder / RESULTS)
    captions: dict[SampleId, list[str]] = {}
    captions |= {name: group for name, group in file.captions_of_images().items()}
    return captions, said


class Writer:
    """Writes sentences of the kind that people write of photographs, about 11 words each."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.kinds = [_groups(text) for text in (QUALITIES, THINGS, ACTIONS, LINKS, PLACES)]
        syllables = SYLLABLES.split()
        # The long tail of a real vocabulary: 9,000 words, mostly seen once or twice.
        self.tail = [
            "".join(generator.choice(syllables, int(generator.integers(2, 5)))) for _ in range(9000)
        ]

    def scene(self) -> list[int]:
        """Return what an image shows: a number for each part of a sentence."""
        sizes = [len(self.kinds[kind]) for kind in (0, 1, 2, 3, 0, 1, 3, 0, 4)]
        # Squared, so that some things are common and most are not.
        return [int(size * self.generator.random() ** 2) for size in sizes]

    def caption(self, scene: Sequence[int], care: float) -> str:
        """Return a sentence about a scene; `care` is how often it wanders from the plain one."""
        draw = self.generator.random
        quality, thing, action, link, other_quality, other, far_link, far_quality, place = scene
        words = ["A" if draw() < 0.8 else "The"]
        if draw() < 0.5 + care / 4:
            words.append(self._word(0, quality))
        words += [self._word(1, thing), self._word(2, action), self._word(3, link), "a"]
        if draw() < 0.3 + care:
            words.append(self._word(0, other_quality))
        words.append(self._word(1, other))
        if draw() < 0.55 + care / 2:
            words += [self._word(3, far_link), "the" if draw() < 0.6 else "a"]
            if draw() < 0.3:
                words.append(self._word(0, far_quality))
            words.append(self._word(4, place))
        if draw() < 0.35:
            words.insert(int(draw() * len(words)) + 1, self.tail[int(9000 * draw() ** 3)])
        if draw() < 0.06:
            words.insert(int(draw() * len(words)) + 1, str(self.generator.choice(RARE.split())))
        if draw() < 0.1:
            words[len(words) // 2] += ","
        return " ".join(words) + ("." if draw() < 0.75 else "")

    def _word(self, kind: int, group: int) -> str:
        choices = self.kinds[kind][group]
        return choices[int(len(choices) * self.generator.random() ** 1.5)]


def _groups(text: str) -> list[list[str]]:
    lines = text.replace("\n", "  ").split("  ")
    return [group.strip().split("|") for group in lines if group.strip()]
