"""A user's own crappifier: run on fixed squares, refused where it does not keep its contract."""

import pickle

import numpy as np
import pytest
import torch
from pssrflow.config.check import check_config
from pssrflow.crappify.chain import Crappifier, Plane, crappify_plane, crappify_region
from pssrflow.crappify.custom import Custom
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.learned import NoiseModel, save
from pssrflow.crappify.network import Network
from pssrflow.crappify.squares import NoiseKey
from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.weights import save_weights
from pssrflow.networks.registry import build
from pssrflow.volumes.intensity import Range

KEY = NoiseKey(0, "own", 0, 0, 0, 0)

OWN = """
import numpy as np

class Streaks:
    halo = 3
    def __init__(self, strength=5.0):
        self.strength = strength
    def __call__(self, grey, rng):
        spread = (np.roll(grey, 3, 1) + np.roll(grey, -3, 1)) / 2
        return spread + self.strength * rng.standard_normal(grey.shape)

class Halves:
    def __call__(self, grey, rng):
        return grey[::2]

class Complex:
    def __call__(self, grey, rng):
        return grey * 1j

class Nan:
    def __call__(self, grey, rng):
        return grey * np.nan

class Raises:
    def __call__(self, grey, rng):
        return grey + self.missing

class Mute:
    pass

class Far:
    halo = -1
    def __call__(self, grey, rng):
        return grey

not_a_class = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_crap.py").write_text(OWN)
    return lambda name, **options: Custom(path=f"own_crap.py:{name}", options=options)


def of(plane):
    return Plane(lambda r, c: plane[r, c], plane.shape, Range(0, 255, 0))


def chain(*steps):
    return Crappifier(Downsampling(2), steps)


def test_an_own_class_gives_the_same_bytes_however_the_plane_is_cut(own, tissue):
    plane = tissue((1100, 900))
    crappifier = chain(own("Streaks", strength=9.0), own("Streaks"))
    whole = crappify_plane(plane, crappifier, KEY, 0, 255)
    for rows, cols in ((range(3, 9), range(250, 260)), (range(200, 540), range(11, 449))):
        box = crappify_region(of(plane), crappifier, KEY, rows, cols)
        np.testing.assert_array_equal(box, whole[rows.start : rows.stop, cols.start : cols.stop])


def test_an_own_class_is_found_by_module_too_and_travels_to_other_processes(own, tissue):
    plane = tissue((64, 64))
    step = Custom(path="own_crap:Streaks", options={"strength": 2.0})
    expected = crappify_plane(plane, chain(own("Streaks", strength=2.0)), KEY, 0, 255)
    for copied in (step, pickle.loads(pickle.dumps(step))):
        np.testing.assert_array_equal(crappify_plane(plane, chain(copied), KEY, 0, 255), expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Halves", r"own_crap\.py:Halves: returned shape .* Accepted: a callable \(grey, rng\)"),
        ("Complex", r"returned dtype complex"),
        ("Nan", r"returned NaN or infinity"),
        ("Raises", r"raised AttributeError"),
        ("Mute", r"its objects cannot be called"),
        ("Far", r"halo is -1\. Accepted: a whole number from 0 to 1024"),
        ("Missing", r"no class Missing"),
        ("not_a_class", r"no class not_a_class"),
    ],
)
def test_a_class_that_does_not_keep_the_contract_is_refused(name, message, own):
    with pytest.raises(InputError, match=message):
        crappify_plane(np.zeros((32, 32), np.uint8), chain(own(name)), KEY, 0, 255)


@pytest.fixture
def config():
    return lambda **crappify: check_config({"crappify": crappify}, "c.yaml")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"path": "own_crap.py:Halves"}, r"crappify: own_crap\.py:Halves: returned shape"),
        ({"path": "nowhere.py:Streaks"}, r"no file nowhere\.py"),
        ({"path": "no.such.module:A"}, r"no module 'no\.such\.module'"),
        ({"path": "own_crap"}, r"Accepted: package\.module:Class or file\.py:Class"),
        ({"path": "own_crap.py:Streaks", "options": {"weak": 1}}, r"options .* refused"),
    ],
)
def test_an_own_class_is_tried_while_the_configuration_is_read(step, message, own, config):
    with pytest.raises(InputError, match=message):
        config(noise=[{"name": "custom", **step}])


def test_an_own_class_is_accepted_by_the_configuration(own, config):
    step = {"name": "custom", "path": "own_crap.py:Streaks", "options": {"strength": 1.0}}
    assert config(noise=[step]).plain()["crappify"]["noise"] == [step]


def test_a_learned_network_draws_around_its_mean(tmp_path):
    network = NoiseModel()
    network.layers[-1].bias.data = torch.tensor([0.1, np.log(0.05)])
    save(tmp_path / "w.safetensors", network, {})
    plane = np.full((512, 512), 100, np.float32)
    step = Network(weights=str(tmp_path / "w.safetensors"))
    lr = crappify_plane(plane, Crappifier(Downsampling(1, "nearest"), (step,)), KEY, 0, 255)
    assert lr.mean() == pytest.approx(100 + 25.5, abs=0.1)
    assert lr.std() == pytest.approx(0.05 * 255, rel=0.02)


def test_a_network_gives_the_same_bytes_however_the_plane_is_cut(tmp_path, tissue):
    torch.manual_seed(0)
    network = build("unet", 1, {"widths": (8, 8), "blocks": 1})
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    facts = Facts("unet", 1, {"widths": [8, 8], "blocks": 1})
    save_weights(tmp_path / "w.safetensors", network, facts)
    plane = tissue((700, 600))
    crappifier = chain(Network(weights=str(tmp_path / "w.safetensors")))
    whole = crappify_plane(plane, crappifier, KEY, 0, 255)
    assert np.abs(whole.astype(int) - crappify_plane(plane, chain(), KEY, 0, 255)).max() > 2
    box = crappify_region(of(plane), crappifier, KEY, range(190, 301), range(7, 280))
    np.testing.assert_array_equal(box, whole[190:301, 7:280])


def test_weights_of_another_scale_are_refused(tmp_path):
    facts = Facts("bicubic", 4, {})
    save_weights(tmp_path / "w.safetensors", build("bicubic", 4, {}), facts)
    with pytest.raises(InputError, match=r"weights of scale 4\. Accepted: weights of scale 1"):
        crappify_plane(
            np.zeros((9, 9), np.uint8),
            chain(Network(weights=str(tmp_path / "w.safetensors"))),
            KEY,
            0,
            255,
        )


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match="cannot be read as weights"):
        crappify_plane(
            np.zeros((9, 9), np.uint8), chain(Network(weights=str(tmp_path / "w.pt"))), KEY, 0, 255
        )
