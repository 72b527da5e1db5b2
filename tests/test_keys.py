"""Keys of the configuration: types taken at their word, faults told at once and in our words."""

import pickle
from typing import Annotated, Literal

import pytest
from pssrflow.errors import InputError
from pssrflow.keys import Fault, JsonObject, Keys, OneOf, key, listed
from pydantic import Field


class Inner(Keys):
    """A part."""

    depth: float = key(0, "How deep.", ge=0, le=16)


class Outer(Keys):
    """A section."""

    count: int = key(3, "How many.", ge=1)
    share: float = key(0.5, "How much.", gt=0, lt=1)
    deep: bool = key(False, "Whether.")
    name: str = key("a", "What it is called.", pattern=r"^[a-z]+\Z", max_length=3)
    tile: Annotated[int, Field(ge=16)] | Literal["auto"] | None = key("auto", "A tile.")
    kind: Annotated[str, OneOf(lambda: ("mean", "median"))] = key("mean", "Which.")
    shape: tuple[int, ...] = key((1, 2), "Sizes.", min_length=2, max_length=2)
    inner: Inner = key(Inner(), "The inside.")
    options: JsonObject = key({}, "Anything.")

    def faults(self):
        if self.count == 13:
            yield Fault("count", "found 13. Accepted: luckier numbers")
            yield Fault("", "is cursed. Accepted: another")


def refused(**given):
    with pytest.raises(InputError) as caught:
        Outer.parse(given, "here")
    assert "pydantic" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"count": "3"},
            'count: found "3", a text (YAML takes 1e-3 for one); write 3.0. Acc',
        ),
        ({"count": True}, "count: found true. Accepted: integer (How many.)"),
        ({"count": 2.5}, "count: found 2.5. Accepted: integer (How many.)"),
        ({"count": 0}, "count: found 0. Accepted: at least 1 (How many.)"),
        ({"count": None}, "count: found null. Accepted: integer (How many.)"),
        ({"share": 1}, "share: found 1. Accepted: less than 1 (How much.)"),
        ({"share": 0}, "share: found 0. Accepted: more than 0 (How much.)"),
        ({"share": float("inf")}, "share: found inf. Accepted: a finite number (How much.)"),
        ({"share": False}, "share: found false. Accepted: number (How much.)"),
        ({"deep": 1}, "deep: found 1. Accepted: boolean (Whether.)"),
        ({"name": "A"}, r'name: found "A". Accepted: text that matches ^[a-z]+\Z (What it is'),
        ({"name": "aaaa"}, 'name: found "aaaa". Accepted: a text of 3 characters or less'),
        ({"tile": "big"}, 'tile: found "big". Accepted: integer or auto or null (A tile.)'),
        ({"tile": 3}, "tile: found 3. Accepted: at least 16 (A tile.)"),
        (
            {"kind": "mede"},
            "found \"mede\". Accepted: mean, median; did you mean 'median'? (Which.)",
        ),
        ({"kind": ["mean"]}, 'kind: found ["mean"]. Accepted: mean, median'),
        ({"shape": [1]}, "shape: found [1]. Accepted: 2 values (Sizes.)"),
        ({"shape": [1, 2, 3]}, "shape: found [1, 2, 3]. Accepted: 2 values (Sizes.)"),
        ({"shape": [1, "b"]}, 'shape[1]: found "b". Accepted: integer (Sizes.)'),
        ({"shape": 4}, "shape: found 4. Accepted: array (Sizes.)"),
        ({"inner": 4}, "inner: found 4. Accepted: object (The inside.)"),
        (
            {"inner": {"depht": 4}},
            "inner.depht: unknown key. Accepted: depth; did you mean 'dept",
        ),
        ({"inner": {"depth": 17}}, "inner.depth: found 17. Accepted: at most 16 (How deep.)"),
        ({"inner": {3: 4}}, "inner.3: unknown key. Accepted: depth"),
        ({"options": {"a": float("nan")}}, "options: found"),
        ({"options": {3: 4}}, "options: found 3. Accepted: string"),
        ({"count": 13}, "count: found 13. Accepted: luckier numbers"),
        ({"count": 13}, "row: is cursed. Accepted: another"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_accepted(given, sentence):
    assert sentence in refused(**given)


def test_all_faults_are_told_at_once_in_the_order_of_their_names():
    text = refused(share=2, inner={"depth": -1}, count=0, zeal=1)
    told = [text.index(name) for name in ("count:", "inner.depth:", "share:", "zeal:")]
    assert told == sorted(told)


def test_numbers_count_for_each_other_where_they_are_equal():
    made = Outer.parse({"count": 4.0, "inner": {"depth": 4}, "shape": [2.0, 3]}, "here")
    assert repr((made.count, made.inner.depth, made.shape)) == "(4, 4.0, (2, 3))"


def test_what_a_class_of_ones_own_is_given_stays_as_it_is():
    made = Outer.parse({"options": {"a": [4.0, {"b": None}]}}, "here")
    assert repr(made.plain()["options"]) == "{'a': [4.0, {'b': None}]}"


def test_keys_come_back_from_json_and_from_other_processes():
    made = Outer.parse({"count": 4, "tile": 32, "options": {"a": [1]}}, "here")
    assert list(made.plain()) == list(Outer.model_fields)
    assert Outer.parse(made.plain(), "here") == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_copy_with_other_values_is_checked():
    assert Outer().changed(count=5).count == 5
    with pytest.raises(ValueError, match="at least 1"):
        Outer().changed(count=0)


def test_keys_never_change():
    with pytest.raises(ValueError, match="frozen"):
        Outer().count = 5


def test_the_name_that_was_meant_is_told():
    assert listed(["epochs", "steps"], "epoch") == "epochs, steps; did you mean 'epochs'?"
    assert listed(["epochs"], "zzz") == "epochs"
