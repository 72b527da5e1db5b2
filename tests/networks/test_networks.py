"""Networks: any size in, scale times the size out, bicubic at the start, safe weights."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.networks.registry import build
from pssrflow.volumes.interpolation import bicubic

SMALL = {"widths": [8, 8], "blocks": 1}


def randomised(scale=4, **options):
    torch.manual_seed(0)
    network = build("unet", scale, SMALL | options)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 17), (31, 50)])
def test_any_size_comes_out_scaled_and_untrained_equals_bicubic(scale, size):
    network, image = build("unet", scale, SMALL), torch.rand(2, 1, *size)
    made = network(image)
    assert made.shape == (2, 1, size[0] * scale, size[1] * scale)
    torch.testing.assert_close(made, bicubic(image, scale))


def test_bicubic_places_pixels_where_the_crappifier_takes_them_from():
    ramp = torch.arange(16.0).repeat(16, 1)[None, None]
    fine = bicubic(ramp, 4)[0, 0, 32].numpy()
    # LR pixel i lies at HR coordinate 4 i + 1.5.
    np.testing.assert_allclose(fine[16:48], (np.arange(16, 48) - 1.5) / 4, atol=1e-5)


def test_bicubic_is_that_of_pillow(rng):
    image = rng.random((20, 24), np.float32)
    ours = bicubic(torch.from_numpy(image)[None, None], 4)[0, 0].numpy()
    theirs = np.asarray(Image.fromarray(image).resize((96, 80), Image.BICUBIC))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_pixel_beyond_the_halo_changes_nothing_and_one_inside_does():
    network = randomised(blocks=2)
    halo = receptive_halo(network)
    size = 2 * halo + 2 * network.stride
    image = torch.rand(1, 1, size, size)
    first = network.stride * (halo // network.stride + 1)

    def cell(values):
        return network(values)[0, 0, 4 * first : 4 * (first + network.stride), 4 * first]

    before = cell(image)
    beyond, inside = image.clone(), image.clone()
    beyond[..., first - halo - 1, first] += 5
    inside[..., first - halo + network.stride, first] += 5
    assert torch.equal(cell(beyond), before)
    assert not torch.equal(cell(inside), before)


def test_weights_come_back_with_what_is_needed_to_use_them(tmp_path):
    network = randomised(scale=2)
    facts = Facts("unet", 2, SMALL, trained_on={"a": "hash"}, other={"noted": 1})
    save_weights(tmp_path / "w.safetensors", network, facts)
    again, found = load_weights(tmp_path / "w.safetensors")
    image = torch.rand(1, 1, 9, 9)
    assert torch.equal(again(image), network(image))
    assert found == facts


class Trap:
    def __reduce__(self):
        return (print, ("code in a pickle ran",))


@pytest.mark.parametrize("kind", ["text", "pickle", "foreign"])
def test_a_file_that_is_not_ours_is_refused_and_runs_nothing(kind, tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    if kind == "text":
        path.write_text("no weights")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    else:
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"w\.safetensors.*Accepted: weights that PSSRflow saved"):
        load_weights(path)
    assert "ran" not in capsys.readouterr().out
