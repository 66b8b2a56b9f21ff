import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray

from evalsuite.kinds.retrieval.features import Features, Pool, packed
from evalsuite.kinds.retrieval.results import (
    ranks_of_predictions,
    read_retrieval,
    write_retrieval,
)
from evalsuite.metrics.retrieval import (
    chance_recall,
    fold_recalls,
    paired_recall,
    ranks_of_features,
    ranks_of_scores,
    recall_scores,
)
from evalsuite.records.errors import UserError
from evalsuite.records.score import named

GOLDEN = Path(__file__).parent / "golden" / "retrieval.json"
Ints = NDArray[np.int64]


def naive(scores: NDArray[Any], owners: Ints) -> tuple[list[int], list[int]]:
    """Sort every list by falling score, stable, and look for the first right answer."""
    texts = [
        [owners[text] == image for text in sorted(range(len(row)), key=lambda text: -row[text])]
        for image, row in enumerate(scores.tolist())
    ]
    images = [
        [image == owners[text] for image in sorted(range(len(row)), key=lambda image: -row[image])]
        for text, row in enumerate(scores.T.tolist())
    ]
    return [min(10, line.index(True)) for line in texts], [
        min(10, line.index(True)) for line in images
    ]


def owners_of(generator: np.random.Generator, num_images: int) -> Ints:
    """Return the image of each text: one to seven texts an image, in no order."""
    return generator.permutation(
        np.repeat(np.arange(num_images), generator.integers(1, 8, num_images))
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), num_images=st.integers(1, 30), block=st.integers(1, 31))
def test_ranks_are_those_of_a_stable_sort_with_ties_and_negative_scores(
    seed: int, num_images: int, block: int
) -> None:
    generator = np.random.default_rng(seed)
    owners = owners_of(generator, num_images)
    images = generator.integers(-2, 2, (num_images, 3)).astype(np.float32)  # many equal scores
    texts = generator.integers(-2, 2, (owners.size, 3)).astype(np.float32)
    scores = images @ texts.T
    expected = naive(scores, owners)
    for ranks in (
        ranks_of_features(images, texts, owners, block=block),
        ranks_of_scores(scores, owners),
    ):
        assert (ranks.image_to_text.tolist(), ranks.text_to_image.tolist()) == expected


def test_recalls_are_those_of_beit3_topk_where_no_scores_tie() -> None:
    generator = np.random.default_rng(0)
    owners = np.repeat(np.arange(60), 5)
    images = generator.standard_normal((60, 16)).astype(np.float32)
    texts = images[owners] + 1.5 * generator.standard_normal((300, 16)).astype(np.float32)
    scores = torch.from_numpy(images @ texts.T)
    ours = recall_scores(ranks_of_features(images, texts, owners), owners, interval=False)
    for at in (1, 5, 10):
        found = torch.from_numpy(owners)[scores.topk(at, dim=1).indices]
        tr = (found == torch.arange(60)[:, None]).any(1).double().mean()
        ir = (scores.topk(at, dim=0).indices == torch.from_numpy(owners)).any(0).double().mean()
        assert named(ours, f"tr_at_{at}").value == pytest.approx(100 * float(tr), rel=1e-12)
        assert named(ours, f"ir_at_{at}").value == pytest.approx(100 * float(ir), rel=1e-12)


def test_golden_cases_of_the_beit3_rule_are_met() -> None:
    for case in json.loads(GOLDEN.read_text()):
        images, texts = np.array(case["images"], np.float32), np.array(case["texts"], np.float32)
        owners = np.array(case["image_of_text"])
        scores = recall_scores(ranks_of_features(images, texts, owners), owners, interval=False)
        for name, value in case["scores"].items():
            assert named(scores, name).value == pytest.approx(value, rel=1e-6), case["name"]


def test_trap_c1_any_text_of_the_image_counts_and_texts_are_matched_by_id() -> None:
    owners = np.array([1, 0, 1, 1, 1, 1, 1])  # i // 5 would be wrong for all but one
    scores = np.array([[0, 1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 2]], dtype=np.float32)
    assert ranks_of_scores(scores, owners).image_to_text.tolist() == [0, 0]


def test_trap_c2_a_text_has_one_image() -> None:
    scores = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]], dtype=np.float32)
    assert ranks_of_scores(scores, np.array([2, 0])).text_to_image.tolist() == [2, 2]


def test_trap_c3_ties_stand_in_file_order_and_scores_are_fp32() -> None:
    tied = np.zeros((3, 3), dtype=np.float32)
    ranks = ranks_of_scores(tied, np.arange(3))
    assert ranks.image_to_text.tolist() == ranks.text_to_image.tolist() == [0, 1, 2]
    near = np.array([[1.0, 2**-12]], dtype=np.float16)  # 1 + 2**-24 ties with 1 in fp16
    texts = np.array([[1.0, 0.0], [1.0, 2**-8]], dtype=np.float16)
    ranks = ranks_of_features(
        np.repeat(near, 2, 0).astype(np.float32), texts.astype(np.float32), np.arange(2)
    )
    assert ranks.image_to_text.tolist() == [1, 0]


def test_trap_c4_the_right_score_is_read_from_the_same_product() -> None:
    # Copies of one feature tie exactly only when no right answer is computed another way.
    generator = np.random.default_rng(0)
    one = generator.standard_normal(768).astype(np.float32)
    images, texts = np.repeat(one[None], 20, 0), np.repeat(one[None], 20, 0)
    ranks = ranks_of_features(images, texts, np.arange(20), block=20)
    assert ranks.image_to_text.tolist() == [*range(10), *[10] * 10]


def pool() -> Pool:
    return Pool("split.json", [11, 12], [101, 102, 103], np.array([0, 1, 1]))


def test_trap_c5_the_first_feature_of_an_image_is_kept_from_a_journal() -> None:
    x, y = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    journal = {
        103: {"text": packed(y), "image": packed(x)},
        102: {"text": packed(y), "image": packed(y)},
        101: {"text": packed(x), "image": packed(x)},
    }
    ranks = ranks_of_predictions(journal, pool())  # 102 comes first in the pool's order
    assert ranks.image_to_text.tolist() == [0, 0]
    assert ranks.text_to_image.tolist() == [0, 0, 0]


def test_archives_and_lists_come_back_as_written(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    features = Features(
        "made", ([12, 11], [103, 101, 102]), (generator.random((2, 4)), generator.random((3, 4)))
    )
    write_retrieval(features, tmp_path / "features.npz")
    again = ranks_of_predictions(read_retrieval(tmp_path / "features.npz"), pool())
    expected = ranks_of_predictions(features, pool())
    assert again.image_to_text.tolist() == expected.image_to_text.tolist()
    assert again.text_to_image.tolist() == expected.text_to_image.tolist()


def lists(**changes: Any) -> dict[str, Any]:
    ranked = {
        "image_to_text": {"11": [102, 101, 103], "12": [101, 103, 102]},
        "text_to_image": {"101": [11, 12], "102": [11, 12], "103": [12, 11]},
    }
    return {**ranked, **changes}


def ranked(tmp_path: Path, content: Any) -> Any:
    (tmp_path / "ranked.json").write_text(json.dumps(content))
    return ranks_of_predictions(read_retrieval(tmp_path / "ranked.json"), pool())


def test_ranked_ids_give_the_place_of_the_first_right_one(tmp_path: Path) -> None:
    ranks = ranked(tmp_path, lists())
    assert ranks.image_to_text.tolist() == [1, 1]
    assert ranks.text_to_image.tolist() == [0, 1, 0]
    scores = recall_scores(ranks, pool().image_of_text, interval=False)
    assert [score.value for score in scores[:4]] == [0.0, 100.0, 100.0, pytest.approx(200 / 3)]


BAD_LISTS = [
    ({"text_to_image": {"101": [11, 12]}}, r"text_to_image: 102 of the queries .* missing; 2 such"),
    (
        {"image_to_text": {"11": [102], "12": [101, 103, 102]}},
        "image_to_text: the list of 11 is shorter than 3; 1 such",
    ),
    (
        {"image_to_text": {"11": [102, 102, 101], "12": [101, 103, 102]}},
        "the list of 11 names an id twice",
    ),
    (
        {"image_to_text": {"11": [102, 999, 101], "12": [101, 103, 102]}},
        "the list of 11 names an id that is not in",
    ),
    ({"image_to_text": {"11": [None]}}, "image_to_text: the list of 11: null is not an id"),
    ({"image_to_text": {"a.jpg": [102]}}, "image_to_text: 11 of the queries .* missing; 2 such"),
    ({"extra": {}}, "expected image_to_text and text_to_image"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_LISTS)
def test_bad_lists_are_named_with_their_number(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        ranked(tmp_path, lists(**changes))


def archive(**changes: Any) -> dict[str, Any]:
    arrays = {
        "image_ids": np.array([11, 12]),
        "text_ids": np.array([101, 102, 103]),
        "image_features": np.ones((2, 4), np.float32),
        "text_features": np.ones((3, 4), np.float32),
    }
    return {**arrays, **changes}


BAD_ARRAYS = [
    ({"text_ids": np.array([101, 101, 103])}, "text id 101 appears more than once"),
    ({"text_ids": np.array([101, 102, 999])}, "103 of the texts .* missing; 1 such"),
    ({"text_features": np.full((3, 4), np.nan)}, "feature of text 101 is not finite; 3 such"),
    ({"text_features": np.ones((3, 5))}, "image features have 4 numbers, text features 5"),
    ({"text_features": np.ones((2, 4))}, "3 text ids for features of shape"),
    ({"text_ids": np.array(["a", "b", "c"])}, "101 of the texts .* missing; 3 such"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_ARRAYS)
def test_bad_archives_are_named_with_their_number(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "features.npz", **archive(**changes))
    with pytest.raises(UserError, match=message):
        ranks_of_predictions(read_retrieval(tmp_path / "features.npz"), pool())


def test_a_torn_archive_and_torn_json_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "features.npz", **archive())
    whole = (tmp_path / "features.npz").read_bytes()
    (tmp_path / "features.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "ranked.json").write_text('{"image_to_text": ')
    for name in ("features.npz", "ranked.json", "absent.json"):
        with pytest.raises(UserError, match=name):
            read_retrieval(tmp_path / name)


def test_the_1k_protocol_is_the_mean_over_folds_of_a_thousand_images() -> None:
    generator = np.random.default_rng(0)
    owners = np.repeat(np.arange(2000), 2)
    images = generator.standard_normal((2000, 8)).astype(np.float32)
    texts = images[owners] + generator.standard_normal((4000, 8)).astype(np.float32)
    halves = [
        recall_scores(
            ranks_of_features(images[part], texts[owners // 1000 == half], owners[:2000]),
            owners[:2000],
            interval=False,
        )[0].value
        for half, part in enumerate((slice(0, 1000), slice(1000, 2000)))
    ]
    folds = fold_recalls(images, texts, owners)
    assert (folds[0].name, folds[0].n) == ("tr_at_1/1k", 2000)
    assert folds[0].value == pytest.approx(sum(halves) / 2, rel=1e-12)


def test_chance_is_what_random_scores_reach() -> None:
    generator = np.random.default_rng(0)
    owners = owners_of(generator, 12)
    reached = np.mean(
        [
            [
                score.value
                for score in recall_scores(
                    ranks_of_scores(generator.random((12, owners.size)).astype(np.float32), owners),
                    owners,
                    interval=False,
                )
            ]
            for _ in range(400)
        ],
        axis=0,
    )
    np.testing.assert_allclose([score.value for score in chance_recall(owners)], reached, atol=2)


def test_interval_holds_the_value_and_equal_predictions_differ_by_nothing() -> None:
    generator = np.random.default_rng(0)
    owners = owners_of(generator, 50)
    ranks = ranks_of_scores(generator.standard_normal((50, owners.size)).astype(np.float32), owners)
    for score in recall_scores(ranks, owners, interval=True):
        assert score.interval is not None
        assert score.interval[0] <= score.value <= score.interval[1]
    difference = paired_recall(ranks, ranks, owners)
    assert (difference.value, difference.interval) == (0.0, (0.0, 0.0))
