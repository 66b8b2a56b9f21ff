"""What no move of the code may change, and no processor does, stands in golden/house.json."""

import json

import pytest
from house_facts import HOUSE, house


@pytest.fixture(scope="module")
def found() -> dict[str, object]:
    return house()


@pytest.mark.parametrize("name", sorted(json.loads(HOUSE.read_text())))
def test_a_fact_of_the_house_is_as_recorded(name: str, found: dict[str, object]) -> None:
    assert found[name] == json.loads(HOUSE.read_text())[name]


def test_no_fact_is_left_unrecorded(found: dict[str, object]) -> None:
    assert sorted(found) == sorted(json.loads(HOUSE.read_text()))
