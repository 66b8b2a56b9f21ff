import gzip
import itertools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caption_pieces import fuzzed_captions
from evalsuite.tasks.captioning.benchmark import BENCHMARK as CAPTIONING
from evalsuite.tasks.nocaps.benchmark import BENCHMARK as NOCAPS
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.contracts.benchmark import Benchmark, SampleId
from evalsuite.metrics.captions.bleu import BleuCounts
from evalsuite.metrics.captions.cider import CiderSums
from evalsuite.metrics.captions.ids import CaptionReferences
from evalsuite.metrics.captions.java import package_folder
from evalsuite.metrics.captions.meteor import meteor, meteor_of
from evalsuite.metrics.captions.ngrams import CaptionTable, grams_of
from evalsuite.metrics.captions.official import (
    BLEU_NAMES,
    Captions,
    is_installed,
    official_scores,
)
from evalsuite.metrics.captions.paraphrases import write_filtered_table
from evalsuite.metrics.captions.ptb import tokenize
from evalsuite.metrics.captions.rouge import rouge_l
from evalsuite.metrics.captions.scores import (
    caption_scores,
    measured,
    paired_cider,
    shuffled_caption_scores,
    tokenised,
)
from evalsuite.records.errors import UserError
from evalsuite.records.score import named
from evalsuite.tinyworld.write import write_world

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("captions.json").read_text())
SAMPLES = Path(__file__).parent.parent.parent / "shared/data/official_samples/coco"
needs_java = pytest.mark.skipif(not is_installed(), reason="needs pycocoevalcap and Java")

REFERENCES = CaptionReferences(
    {1: ("a dog runs", "the dog is running"), 2: ("two cats", "cats on a bed"), 7: ("a red bus",)}
)
PREDICTIONS: dict[SampleId, Any] = {1: "a dog is running", 2: "a cat", 7: "a red bus on a road"}


def scored(references: list[list[str]], hypotheses: list[str]) -> dict[str, tuple[float, Any]]:
    """Return corpus value and image values of tokenised captions, without Java."""
    table = CaptionTable.of(references, hypotheses)
    counts, sums = BleuCounts(table), CiderSums(table)
    for grams in grams_of(table):
        counts.add(grams)
        sums.add(grams)
    bleu, cider = counts.result(), sums.result()
    rouge = rouge_l(table, references, hypotheses)
    columns = zip(BLEU_NAMES, bleu.corpus, bleu.per_image_N4.T.tolist(), strict=True)
    found: dict[str, tuple[float, Any]] = {name: (value, each) for name, value, each in columns}
    found["rouge_l"] = (rouge.corpus, rouge.per_image_N.tolist())
    found["cider"] = (cider.corpus, cider.per_image_N.tolist())
    return found


def officially_scored(
    references: list[list[str]], hypotheses: list[str], names: tuple[str, ...]
) -> dict[str, tuple[float, Any]]:
    groups: Captions = dict(enumerate(references))
    said: Captions = {place: [caption] for place, caption in enumerate(hypotheses)}
    found: dict[str, tuple[float, Any]] = {}
    for name in names:
        for score, value in official_scores(name, groups, said).items():
            found[score] = (value.corpus, value.per_image_N.tolist())
    return found


@pytest.mark.parametrize("name", GOLDEN["sets"])
def test_scores_equal_pycocoevalcaps_to_the_last_bit(name: str) -> None:
    case = GOLDEN["sets"][name]
    tokens = tokenised(dict(enumerate(case["hypotheses"])), dict(enumerate(case["references"])))
    for score, (corpus, images) in scored(*tokens).items():
        assert (score, corpus) == (score, case["scores"][score]["corpus"])
        assert (score, images) == (score, case["scores"][score]["images"])


@needs_java
def test_meteor_equals_the_jars_to_the_last_bit() -> None:
    for case in GOLDEN["sets"].values():
        tokens = tokenised(dict(enumerate(case["hypotheses"])), dict(enumerate(case["references"])))
        found = meteor(*tokens)
        assert found.corpus == case["scores"]["meteor"]["corpus"]
        assert found.per_image_N.tolist() == case["scores"]["meteor"]["images"]
        # The intervals' formula is the jar's, up to the order of additions.
        assert meteor_of(found.statistics_NK.sum(axis=0))[0] == pytest.approx(
            found.corpus, abs=1e-12
        )


@needs_java
@pytest.mark.slow
def test_meteor_of_fuzzed_captions_equals_the_jars() -> None:
    captions = tokenize(fuzzed_captions(seed=3, count=1200))
    groups = [captions[place : place + 3] for place in range(0, 900, 3)]
    said = captions[900:]
    official = officially_scored(groups, said, ("meteor",))["meteor"]
    found = meteor(groups, said)
    assert (found.corpus, found.per_image_N.tolist()) == official


WORDS = st.sampled_from(["a", "the", "dog", "dogs", "on", "red", "1\u00a01/2", "-lrb-", "etc."])
CAPTION = st.lists(WORDS, max_size=9).map(" ".join)
SETS = st.lists(st.tuples(st.lists(CAPTION, min_size=1, max_size=4), CAPTION), min_size=1)


@pytest.mark.skipif(not is_installed(), reason="needs pycocoevalcap and Java")
@settings(max_examples=150, deadline=None)
@given(SETS)
def test_any_captions_score_as_in_pycocoevalcap(images: list[tuple[list[str], str]]) -> None:
    references, hypotheses = [group for group, _ in images], [said for _, said in images]
    if not any("".join(group) for group in references):
        return  # the official CIDEr fails where no reference has a word
    official = officially_scored(references, hypotheses, ("bleu_1", "rouge_l", "cider"))
    assert scored(references, hypotheses) == official


def test_trap_b3_bleu_takes_the_closest_length_and_the_shorter_of_two() -> None:
    table = CaptionTable.of([["a b", "a b c d"], ["a b c d e", "a"]], ["a b c", "a b c d"])
    counts = BleuCounts(table)
    assert counts.result().closest_N.tolist() == [2, 5]


def test_trap_b4_one_image_alone_has_no_cider() -> None:
    tokens = tokenised({1: "a dog runs"}, {1: ["a dog runs", "the dog runs"]})
    assert measured(tokens).cider.corpus == 0.0


def test_trap_b4_cider_counts_documents_in_the_images_at_hand() -> None:
    said: dict[SampleId, str] = {1: "a dog", 2: "a cat", 7: "red bus"}
    captions: dict[SampleId, list[str]] = {1: ["a dog runs"], 2: ["a cat"], 7: ["red bus"]}
    whole = measured(tokenised(said, captions)).cider.per_image_N[0]
    part = measured(tokenised(said, {1: captions[1], 2: captions[2]})).cider.per_image_N[0]
    assert whole != part


def test_trap_b5_two_empty_captions_have_one_common_token_for_rouge() -> None:
    assert scored([[""]], [""])["rouge_l"] == (1.0, [1.0])
    assert scored([["", "a dog"]], ["a cat"])["rouge_l"][0] > 0


def test_trap_b5_rouge_takes_best_precision_and_recall_from_different_references() -> None:
    both = scored([["a b", "a b c d e f"]], ["a b c x"])["rouge_l"][0]
    assert both == pytest.approx((1 + 1.2**2) * 0.75 * 1 / (1 + 1.2**2 * 0.75))


@needs_java
def test_trap_b6_meteor_of_the_corpus_is_no_mean() -> None:
    found = meteor([["a dog runs in the park"], ["two cats"]], ["a dog runs in the park", "a bus"])
    assert found.per_image_N.tolist() == [1.0, 0.0]
    assert found.corpus != pytest.approx(0.5, abs=0.05)


@needs_java
@pytest.mark.data
def test_scores_of_official_captions_equal_pycocoevalcaps() -> None:
    if not SAMPLES.is_dir():
        pytest.skip(f"needs the official samples in {SAMPLES}")
    captions: dict[SampleId, list[str]] = {}
    for record in json.loads((SAMPLES / "captions_val2014.json").read_text())["annotations"]:
        captions.setdefault(record["image_id"], []).append(record["caption"])
    captions = {name: group for name, group in captions.items() if len(group) > 1}
    shuffled = dict(zip(captions, [group[0] for group in captions.values()][1:], strict=False))
    said = {name: shuffled.get(name, group[0]).lower() for name, group in captions.items()}
    tokens = tokenised(said, {name: group[1:] for name, group in captions.items()})
    assert len(captions) > 10
    assert scored(*tokens) == officially_scored(*tokens, ("bleu_1", "rouge_l", "cider"))


def test_scores_come_with_names_units_and_intervals_around_them() -> None:
    scores = caption_scores(PREDICTIONS, REFERENCES)
    names = [one.name for one in scores]
    assert names[:5] == ["cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4"] and "rouge_l" in names
    for one in scores:
        assert one.interval is not None and one.unit == "x100" and one.n == 3
        assert one.interval[0] - 1e-9 <= one.value <= one.interval[1] + 1e-9
    assert caption_scores(PREDICTIONS, REFERENCES, interval=False)[0].interval is None


def test_without_java_the_other_scores_come_and_a_line_says_what_to_supply(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("evalsuite.metrics.captions.java.find_spec", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    with caplog.at_level(logging.WARNING):
        scores = caption_scores(PREDICTIONS, REFERENCES, interval=False)
    assert [one.name for one in scores] == ["cider", *BLEU_NAMES, "rouge_l"]
    assert "meteor is left out: no Java runtime" in caplog.text
    assert "spice is left out: " in caplog.text and "pip install" in caplog.text


@needs_java
def test_spice_names_the_jars_that_it_lacks(caplog: pytest.LogCaptureFixture) -> None:
    caption_scores(PREDICTIONS, REFERENCES, interval=False)
    line = next(line for line in caplog.text.splitlines() if "spice" in line)
    assert "stanford-corenlp-3.6.0-models.jar" in line and "EVALSUITE_SPICE_JARS" in line


def test_a_domain_scores_as_a_set_of_its_own() -> None:
    domains: dict[SampleId, str] = {1: "in-domain", 2: "in-domain", 7: "out-domain"}
    scores = caption_scores(PREDICTIONS, REFERENCES._replace(domains=domains), interval=False)
    inside: dict[SampleId, Any] = {name: REFERENCES.captions[name] for name in (1, 2)}
    alone = caption_scores({1: PREDICTIONS[1], 2: PREDICTIONS[2]}, CaptionReferences(inside))
    assert named(scores, "cider/in-domain").value == alone[0].value
    assert named(scores, "cider/out-domain").n == 1


def test_paired_difference_of_a_set_with_itself_is_nothing() -> None:
    assert paired_cider(PREDICTIONS, PREDICTIONS, REFERENCES).interval == (0.0, 0.0)


@needs_java
def test_paired_difference_is_that_of_the_official_cider_resampled_over_images() -> None:
    better = {**PREDICTIONS, 7: "a red bus"}
    groups = [list(captions) for captions in REFERENCES.captions.values()]
    first, second = (
        officially_scored(groups, list(captions.values()), ("cider",))["cider"]
        for captions in (better, PREDICTIONS)
    )
    score = paired_cider(better, PREDICTIONS, REFERENCES)
    assert score.value == pytest.approx(100 * (first[0] - second[0]))
    # Image 7 alone differs. Three draws of three images miss it in 30%, and are all of it in 3.7%.
    assert score.interval == pytest.approx((0.0, 100 * (first[1][2] - second[1][2])))


def test_captions_of_other_images_score_low() -> None:
    baseline = shuffled_caption_scores(REFERENCES)
    assert [one.name for one in baseline] == ["shuffled_captions", "shuffled_captions/bleu_4"]
    assert baseline[0].value < 20
    assert shuffled_caption_scores(CaptionReferences({1: ("a dog",)})) == []


BAD: list[tuple[Callable[[dict[SampleId, Any]], Any], str]] = [
    (lambda said: said.pop(2), "no caption for image 2 (1 of 3 missing)"),
    (lambda said: said.update({8: "a", 9: "b"}), "a caption for image 8, which is not among the 3"),
    (lambda said: said.update({2: 5}), "the caption of image 2 is 5; expected text (1 such)"),
    (lambda said: said.update({2: "a\rb"}), "holds the line separator '\\r'"),
    (lambda said: said.update({1: "\ud83d", 2: "\ud83d"}), "half of a character; remove it (2"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_bad_predictions_are_named(spoil: Callable[[Any], Any], message: str) -> None:
    predictions = dict(PREDICTIONS)
    spoil(predictions)
    with pytest.raises(UserError) as error:
        caption_scores(predictions, REFERENCES)
    assert message in str(error.value)


FILES = [
    ('[{"image_id": 1, "caption": "a"', "not JSON at byte"),
    (
        '{"image_id": 1, "caption": "a"}',
        "holds an object with the keys image_id, caption; expected caption results",
    ),
    ('[{"image_id": 1, "caption": 2}]', "record 0 of 1"),
    ('[{"image_id": 1, "caption": "a"}, {"caption": "b"}, {}]', "record 1 of 3"),
    (
        '[{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}]',
        "image 1 appears more than once",
    ),
    ('[{"image_id": 1, "caption": "\\ud83d"}]', "half of a character"),
]


@pytest.mark.parametrize(("content", "message"), FILES)
def test_bad_result_files_are_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        CAPTIONING.read_predictions(path)
    assert message in str(error.value)


def test_the_filtered_table_holds_the_pairs_that_stand_in_the_captions(tmp_path: Path) -> None:
    phrases = ["a", "a dog", "dog", "the big dog", "é", "runs in the", "not there", "in the park"]
    pairs = list(itertools.product(phrases, phrases))
    lines = "".join(f"0.5\n{one}\n{other}\n" for one, other in pairs)
    table = tmp_path / "table.gz"
    table.write_bytes(gzip.compress(lines.encode()))
    captions = ["a dog runs in the park", "the big dog", "é"]
    count = write_filtered_table(table, captions, tmp_path / "small.gz")
    kept = gzip.decompress((tmp_path / "small.gz").read_bytes()).decode().splitlines()
    inside = [f" {phrase} " in f" {' | '.join(captions)} " for phrase in phrases]
    present = {phrase for phrase, is_inside in zip(phrases, inside, strict=True) if is_inside}
    expected = [pair for pair in pairs if present.issuperset(pair)]
    assert list(zip(kept[1::3], kept[2::3], strict=True)) == expected and count == len(expected)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("captioning", "nocaps"))
    return folder


def test_training_samples_are_sentences_and_the_others_images(world: Path) -> None:
    sentences = list(CAPTIONING.samples(world, "train"))
    images = {sample.images for sample in sentences}
    assert len(sentences) == len({sample.id for sample in sentences}) > len(images)
    assert all(sample.target == {"captions": [sample.text]} for sample in sentences)
    test = list(CAPTIONING.samples(world, "test"))
    assert all(sample.text == "" and len(sample.target["captions"]) >= 5 for sample in test)
    assert [sample.id for sample in test] == list(CAPTIONING.references(world, "test").captions)


@pytest.mark.parametrize(("benchmark", "split"), [(CAPTIONING, "test"), (NOCAPS, "val")])
def test_written_results_score_as_the_predictions_do(
    benchmark: Benchmark, split: str, world: Path, tmp_path: Path
) -> None:
    references = benchmark.references(world, split)
    said = {name: group[-1] for name, group in references.captions.items()}
    benchmark.write_predictions(said, tmp_path / "r.json", data=world, split=split)
    read = benchmark.read_predictions(tmp_path / "r.json")
    assert read == said
    scores = benchmark.score(read, references, interval=False)
    assert scores[0].name == "cider" and scores[0].value > 100
    assert benchmark.baselines(world, split)[0].value < scores[0].value
    part = benchmark.references(world, split, only=list(said)[:3])
    assert len(part.captions) == 3


def test_nocaps_has_scores_of_its_three_domains(world: Path) -> None:
    references = NOCAPS.references(world, "val")
    scores = NOCAPS.score({name: g[0] for name, g in references.captions.items()}, references)
    domains = [one for one in scores if one.name.startswith("cider/")]
    assert [one.name[6:] for one in domains] == ["in-domain", "near-domain", "out-domain"]
    assert sum(one.n for one in domains) == scores[0].n


def test_captions_that_are_held_back_are_sent_to_the_server(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="challenge-page/355"):
        NOCAPS.references(world, "test")
    names = [sample.id for sample in NOCAPS.samples(world, "test")]
    with pytest.raises(UserError, match="no caption for image"):
        said: dict[SampleId, Any] = dict.fromkeys(names[1:], "a dog")
        NOCAPS.write_predictions(said, tmp_path / "test.json", data=world, split="test")
    NOCAPS.write_predictions(dict.fromkeys(names, "a dog"), tmp_path / "test.json")
    assert json.loads((tmp_path / "test.json").read_text())[0]["caption"] == "a dog"


@needs_java
@pytest.mark.slow
def test_the_official_engine_says_the_same_of_a_result_file(world: Path, tmp_path: Path) -> None:
    references = CAPTIONING.references(world, "test")
    said = {name: group[0].lower() for name, group in references.captions.items()}
    CAPTIONING.write_predictions(said, tmp_path / "r.json")
    installed = package_folder("pycocoevalcap")
    assert installed is not None
    before = {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
    official = CAPTIONING.official_scores(tmp_path / "r.json", world, "test")
    # Its own tokenizer writes there, which fails where the installation is read-only.
    assert before == {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
    ours = CAPTIONING.score(said, references, interval=False)
    assert official is not None
    assert {one.name: one.value for one in official} == {one.name: one.value for one in ours}
    assert np.isfinite([one.value for one in official]).all()
