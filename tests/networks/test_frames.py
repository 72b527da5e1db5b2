"""Frames: which planes a network sees, at the ends of a stack too, and every network takes them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pssrflow.networks.contract import middle
from pssrflow.networks.ensemble import Ensemble
from pssrflow.networks.frames import ONE, Frames
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.networks.registry import build
from pssrflow.predict.inference import Inference
from pssrflow.volumes.blocks import Region

STACK = Region((0, 0, 0, 0, 0), (4, 2, 9, 10, 10))
SMALL = {
    "unet": {"widths": [8, 12], "blocks": 1},
    "bicubic": {},
    "resunet": {"hidden": [8, 12], "depth": 1},
    "rdresunet": {
        "hidden": [8, 16],
        "rdnet_init": 8,
        "growth_rates": [8, 8],
        "n_blocks": 1,
        "ds_blocks": [False, True],
        "ese_blocks": [False, False],
    },
    "swinir": {"embed_dim": 12, "depths": [2], "num_heads": [2], "image_size": 16},
}


def frames(**given):
    return Frames.model_validate(given)


def of_z(seen):
    return [z for _, _, z in seen]


@pytest.mark.parametrize(
    ("given", "z", "expected"),
    [
        ({"in": 5}, 4, [2, 3, 4, 5, 6]),
        ({"in": 5}, 0, [0, 0, 0, 1, 2]),
        ({"in": 5}, 8, [6, 7, 8, 8, 8]),
        ({"in": 5, "edge": "mirror"}, 0, [2, 1, 0, 1, 2]),
        ({"in": 5, "edge": "mirror"}, 8, [6, 7, 8, 7, 6]),
        ({"in": 3, "stride": 3}, 4, [1, 4, 7]),
        ({"in": 3, "stride": 3}, 1, [0, 1, 4]),
    ],
)
def test_frames_lie_around_the_plane_that_is_made(given, z, expected):
    assert of_z(frames(**given).around((1, 1, z), STACK)) == expected
    assert all(seen[:2] == (1, 1) for seen in frames(**given).around((1, 1, z), STACK))


def test_frames_of_a_time_lapse_and_of_both_axes():
    assert frames(axis="t", **{"in": 3}).around((0, 0, 2), STACK) == (
        *((0, 0, 2), (0, 0, 2), (1, 0, 2)),
    )
    both = frames(axis="zt", **{"in": 3}).around((1, 0, 4), STACK)
    assert both == tuple((t, 0, z) for z in (3, 4, 5) for t in (0, 1, 2))
    assert frames(axis="tz", **{"in": 3}).around((1, 0, 4), STACK) == tuple(
        (t, 0, z) for t in (0, 1, 2) for z in (3, 4, 5)
    )


@given(
    st.sampled_from(["z", "t", "zt", "tz"]),
    st.integers(0, 5),
    st.integers(1, 4),
    st.sampled_from(["repeat", "mirror"]),
    st.integers(1, 4),
    st.integers(1, 9),
)
def test_every_plane_in_has_a_plane_out_however_short_the_stack(axis, half, stride, edge, t, z):
    seen = frames(axis=axis, stride=stride, edge=edge, **{"in": 2 * half + 1})
    stack = Region((0,) * 5, (t, 1, z, 1, 1))
    for plane in stack.planes():
        around = seen.around(plane, stack)
        assert len(around) == seen.count and around[len(around) // 2] == plane
        assert all(0 <= a < t and 0 <= b < z for a, _, b in around)


@given(st.sampled_from(["z", "tz"]), st.integers(0, 3), st.integers(0, 3))
def test_a_member_takes_its_frames_from_the_middle(axis, few, more):
    few, more = (frames(axis=axis, **{"in": 2 * n + 1}) for n in (few, few + more))
    offsets = [more.offsets[place] for place in more.inner(few)]
    assert offsets == few.offsets


@pytest.mark.parametrize("arch", SMALL)
def test_every_network_takes_frames_and_makes_one_plane(arch, rng):
    torch.manual_seed(0)
    network = build(arch, 2, SMALL[arch], 5).eval()
    assert network.frames == 5 and receptive_halo(network) % network.stride == 0
    images = torch.from_numpy(rng.random((2, 5, 17, 20), np.float32))
    with torch.inference_mode():
        assert network(images).shape == (2, 1, 34, 40)


@pytest.mark.parametrize("arch", [arch for arch in SMALL if arch != "bicubic"])
def test_a_plane_depends_on_its_neighbours(arch, rng):
    torch.manual_seed(0)
    network = build(arch, 2, SMALL[arch], 3).eval()
    if arch == "unet":
        torch.nn.init.normal_(network.tail.weight, std=0.1)
    images = torch.from_numpy(rng.random((1, 3, 16, 16), np.float32))
    other = images.clone()
    other[:, 0] += 0.2
    with torch.inference_mode():
        assert not torch.equal(network(images), network(other))


def test_an_untrained_network_of_frames_interpolates_the_plane_in_their_middle(rng):
    images = torch.from_numpy(rng.random((1, 5, 12, 14), np.float32))
    with torch.inference_mode():
        made = build("unet", 4, SMALL["unet"], 5)(images)
        assert torch.equal(made, build("bicubic", 4, {})(middle(images)))


@pytest.mark.parametrize("self_ensemble", [False, True])
def test_an_ensemble_of_mixed_frames_gives_each_member_its_own(self_ensemble, rng):
    torch.manual_seed(0)
    seen = [frames(**{"in": 5}), ONE, frames(**{"in": 3})]
    members = [build("unet", 2, SMALL["unet"], each.count).eval() for each in seen]
    for member in members:
        torch.nn.init.normal_(member.tail.weight, std=0.1)
    image = rng.random((5, 12, 14), np.float32)
    cpu = torch.device("cpu")
    made = Inference(Ensemble(2, members, seen), cpu, "32", self_ensemble)([image])[0]["sr"]
    shares = (slice(0, 5), slice(2, 3), slice(1, 4))
    alone = [
        Inference(member, cpu, "32", self_ensemble)([image[share]])[0]["sr"]
        for member, share in zip(members, shares)
    ]
    np.testing.assert_allclose(made, np.mean(alone, 0), atol=1e-6)
