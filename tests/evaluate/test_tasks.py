"""What a segmenter finds in a prediction, beside what it finds in the truth."""

import numpy as np
import pytest
from pssrflow.config.check import check_config
from pssrflow.config.rule_code import Code
from pssrflow.errors import InputError
from pssrflow.evaluate.agreement import agreement, performed, told
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import Evaluation, errors_of
from pssrflow.evaluate.structures import Axons, Mitochondria
from pssrflow.evaluate.tasks import checked_task
from pssrflow.run.rerun import fingerprint
from pssrflow.volumes.store import Store
from scipy import ndimage

PIXEL = 0.01
# The only plane.
ONE = (0, 0, 0)


def discs(places, radius, shape=(400, 500)):
    rows, cols = np.indices(shape)
    made = np.zeros(shape, int)
    for number, (y, x) in enumerate(places, 1):
        made[np.hypot(rows - y, cols - x) <= radius] = number
    return made


def told_alone(piece):
    """What one piece tells, which is all that there is."""
    return told({ONE: {name: [blocks] for name, blocks in piece.items()}})


PLACES = [(60, 60), (60, 300), (200, 150), (320, 420), (330, 80)]


def test_agreement_of_what_is_alike_is_whole():
    found = told({ONE: {"sr": [agreement(discs(PLACES, 25), discs(PLACES, 25))]}})["sr"]
    assert found["dice"][0] == found["f1"][0] == found["ratio"][0] == 1
    assert found["objects"] == [5, 5]


def test_what_is_lost_invented_or_too_small_is_told_apart():
    truth = discs(PLACES, 25)
    # One is lost, one is invented, and one is a quarter as large.
    made = discs([*PLACES[1:-1], (200, 400)], 25) + 9 * (discs(PLACES[-1:], 12) > 0)
    found = told({ONE: {"sr": [agreement(truth, made)]}})["sr"]
    assert found["objects"] == [5, 5]
    assert found["f1"][0] == pytest.approx(2 * 3 / 10)
    both = 3 * (truth == 1).sum() + (made == 9).sum()
    whole = (truth > 0).sum() + (made > 0).sum()
    assert found["dice"][0] == pytest.approx(2 * both / whole, rel=0.01)


def test_objects_that_became_one_are_matched_at_most_once():
    truth = discs([(100, 100), (100, 160)], 25)
    made = (ndimage.binary_dilation(truth > 0, iterations=10)).astype(int)
    found = told({ONE: {"sr": [agreement(truth, made)]}})["sr"]
    assert found["objects"] == [2, 1] and found["f1"][0] == 0


def test_the_interval_is_over_blocks(rng):
    places = [(y, x) for y in range(64, 1024, 128) for x in range(64, 1024, 128)]
    truth = discs(places, 20, (1024, 1024))
    kept = [p for p in places if rng.random() < 0.7]
    found = told({ONE: {"sr": [agreement(truth, discs(kept, 20, (1024, 1024)))]}})["sr"]
    value, low, high = found["ratio"]
    assert value == pytest.approx(len(kept) / len(places), abs=1e-4)
    # A share of 64: sqrt(p (1 - p) / 64).
    deviation = (value * (1 - value) / 64) ** 0.5
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.15)


@pytest.fixture
def cells(rng):
    """Dark discs of 0.25 micrometers on grey, with thin membranes, which are as dark; labels."""
    truth = discs(PLACES, 25)
    image = np.full(truth.shape, 160.0)
    image[::80] = image[:, ::90] = 60
    image[truth > 0] = 60
    return (image + 6 * rng.standard_normal(truth.shape)).astype(np.float32), truth


def test_an_interval_of_few_objects_holds_nothing_impossible(rng):
    shape = (1024, 1024)
    places = [tuple(place) for place in rng.integers(40, 984, (14, 2))]
    truth, made = discs(places, 25, shape), discs(places[3:], 25, shape)
    found = told({ONE: {"sr": [agreement(truth, made)]}})["sr"]
    for name in ("dice", "f1"):
        value, low, high = found[name]
        assert 0 <= low < value < high <= 1
    assert found["ratio"][1] >= 0


def test_mitochondria_are_found_and_membranes_are_not(cells):
    image, truth = cells
    found = told({ONE: {"sr": [agreement(truth, Mitochondria()(image, PIXEL))]}})["sr"]
    assert found["f1"][0] == 1 and found["dice"][0] > 0.9


def test_axons_are_found_inside_of_bright_myelin(rng):
    inner, outer = discs(PLACES, 20), discs(PLACES, 32)
    image = np.where(outer > 0, 200.0, 120.0)
    image[inner > 0] = 60
    image += 6 * rng.standard_normal(image.shape)
    found = Axons(smallest=1.0)(image.astype(np.float32), 0.1)
    assert told({ONE: {"sr": [agreement(inner, found)]}})["sr"]["f1"][0] == 1


@pytest.mark.parametrize("task", [Mitochondria(), Axons()])
def test_an_image_of_one_grey_level_holds_nothing(task):
    assert not task(np.full((90, 80), 7, np.float32), PIXEL).any()


def test_sizes_need_a_pixel_size(cells):
    with pytest.raises(InputError, match="unknown pixel size"):
        Mitochondria()(cells[0], None)


def test_nothing_is_looked_for_where_a_mask_leaves_the_truth_out(cells):
    image, _ = cells
    left_out = image.copy()
    left_out[:130] = np.nan
    found = told_alone(performed(Mitochondria(), left_out, {"sr": image}, PIXEL))["sr"]
    assert found["objects"] == [3, 3]


def test_a_stage_tells_what_is_found_in_prediction_and_interpolation(make_store, cells):
    image, truth = cells
    values = image[None, None, None]
    # The prediction lost one of them.
    gone = np.where(truth == 3, np.float32(160), image)[None, None, None]
    named = {"hr": values, "lr": values[..., ::4, ::4], "sr": gone}
    size = (None, PIXEL, PIXEL)
    stores = [Store(make_store(v, name, pixel_size=size)) for name, v in named.items()]
    judged = Judged(*stores, scale=4, tasks=(Mitochondria(),))
    work = Evaluation(judged)
    found = errors_of(work, {(0, 0, 0): [work.measured(unit) for unit in work.units]})
    told_of = found["0"]["tasks"]["mitochondria"]
    assert set(told_of) == {"sr", "bicubic"}
    assert told_of["sr"]["objects"] == [5, 4]
    assert told_of["sr"]["ratio"][0] == 0.8


COUNTS = """
import numpy as np

class Bright:
    def __init__(self, above=100):
        self.above = above
    def __call__(self, image, pixel_um):
        return {}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Function that writes a task which returns an expression; its entry in the configuration."""
    monkeypatch.chdir(tmp_path)

    def write(expression):
        (tmp_path / "mine.py").write_text(COUNTS.format(expression))
        return {"name": "custom", "path": "mine.py:Bright", "options": {"above": 90}}

    return write


def test_a_users_own_task_may_count(own, cells):
    task = checked_task(own("(image < self.above).sum()"))
    image, _ = cells
    found = told_alone(performed(task, image, {"sr": np.minimum(image, 80)}, None))["sr"]
    assert found["objects"][1] == image.size > found["objects"][0]
    assert found["dice"] == [None] * 3


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("image[:5].astype(int)", "returned shape"),
        ("image", "returned dtype float32"),
        ("-1", "returned"),
        ("1 / 0", "raised ZeroDivisionError"),
        ("image.fill(0)", "raised ValueError"),
    ],
)
def test_a_users_own_task_is_tried_before_hours_are_spent(own, expression, said):
    with pytest.raises(InputError, match=said):
        check_config({"evaluate": {"tasks": [own(expression)]}}, "mine.yaml")


def test_a_task_answers_in_one_way(own, cells):
    labels_or_a_count = "(image > 90).astype(int) if image.mean() > 100 else 3"
    task, (image, _) = checked_task(own(labels_or_a_count)), cells
    with pytest.raises(InputError, match="labels of one image, and a count"):
        performed(task, image, {"sr": image / 2}, None)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([{"name": "mitochondrium"}], "did you mean 'mitochondria'"),
        ([{"name": "axons", "radii": 1}], "radii"),
        ([{"name": "axons"}, {"name": "axons", "radius": 1}], "axons 2 times"),
        ([{"name": "mitochondria", "smallest": -1}], "more than 0"),
        ([{"name": "custom", "path": "nowhere.py:Task"}], "nowhere.py"),
    ],
)
def test_tasks_are_refused_in_words(tasks, said):
    with pytest.raises(InputError, match=said):
        check_config({"evaluate": {"tasks": tasks}}, "mine.yaml")


def test_a_users_own_file_that_changed_is_noticed(own):
    asked = own("1")
    first = Code(check_config({"evaluate": {"tasks": [asked]}}, "mine.yaml"))
    assert first.tasks["files"]
    own("2")
    # Once a start of Snakemake.
    fingerprint.cache_clear()
    second = Code(check_config({"evaluate": {"tasks": [asked]}}, "mine.yaml"))
    assert first.tasks["asked"] == second.tasks["asked"]
    assert first.tasks["files"] != second.tasks["files"]


def test_a_task_that_nobody_names_is_in_nobodys_hash():
    plain, asked = (
        Code(check_config({"evaluate": {"tasks": tasks}}, "mine.yaml"))
        for tasks in ([], [{"name": "axons"}])
    )
    assert plain.looking("evaluate")(None) != asked.looking("evaluate")(None)
    assert plain.looking("evaluate")(None) == plain.of("evaluate")(None)
