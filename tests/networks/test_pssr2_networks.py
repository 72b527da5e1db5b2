"""PSSR2's networks: its weights load and give its outputs; what does not fit is refused."""

import importlib.util
import pickle
from pathlib import Path

import pytest
import torch
from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.weights import adopt, read_saved, read_tensors, save_weights
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.networks.registry import build

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "data" / "pssr2_models"


def _benchmark():
    spec = importlib.util.spec_from_file_location(
        "pssr2_cases", ROOT / "benchmarks" / "pssr2" / "cases.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODELS = _benchmark()
RDNET = MODELS.RDNET | {"hidden": [8, 8, 8]}
SWIN = MODELS.SWIN
SMALL = {
    "resunet": {"hidden": [4, 8], "depth": 1},
    "resunet_a": {"hidden": [4, 8], "depth": 0, "dilations": [[1, 3], [1]], "pool_sizes": [1, 2]},
    "rdresunet": RDNET | {"ese_blocks": [False] * 3},
    "rdresunet_a": RDNET | {"dilations": [[1], [1], [1, 2]], "pool_sizes": [1, 2]},
    "swinir": SWIN,
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(arch, scale=2, **options):
    """A small network of fixed random weights, in eval."""
    network = build(arch, scale, SMALL[arch] | options).eval()
    for name, tensor in network.state_dict().items():
        if not name.endswith(MODELS.COMPUTED):
            tensor.copy_(torch.from_numpy(MODELS.drawn(arch, name, tensor.shape)))
    return network


@pytest.mark.parametrize("case", MODELS.TINY)
def test_weights_of_pssr2_load_and_give_its_output(case):
    setting, image, wanted, state = MODELS.stored(REFERENCE, case)
    network = build(setting["arch"], setting["scale"], setting["options"]).eval()
    own = network.state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in state.items()}
    for name in filter(lambda n: n.endswith(("attn_mask", "relative_position_index")), own):
        assert torch.equal(own[name].double(), state[name].double())
    adopt(network, state, case)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("arch", SMALL)
@pytest.mark.parametrize("size", [(1, 1), (7, 30)])
def test_any_size_comes_out_scaled_and_in_float32(arch, size):
    image = torch.rand(1, 1, *size).to(memory_format=torch.channels_last)
    network = made(arch).to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = network(image)
    assert found.shape == (1, 1, 2 * size[0], 2 * size[1])
    assert found.dtype == torch.float32 and found.isfinite().all()


@pytest.mark.parametrize("arch", [a for a in SMALL if a != "rdresunet_a"])
def test_a_pixel_beyond_the_halo_changes_nothing_and_one_inside_does(arch):
    network = made(arch)
    halo, stride = receptive_halo(network), network.stride
    assert halo % stride == 0
    size = 2 * halo + 3 * stride
    # Whole strides, and wider than the window: one strip is enough along one axis.
    image = torch.rand(1, 1, 4 * stride, -(-size // stride) * stride)
    first = halo + stride

    def cell(values):
        return network(values)[..., 2 * first : 2 * (first + stride)]

    image.requires_grad_(True)
    made_here = cell(image)
    # Not another image: at the rim so little arrives that it drowns in the rounding of 32 bit.
    made_here.sum().backward()
    assert image.grad[..., first - halo : first - halo + stride].any()
    beyond = image.detach().clone()
    beyond[..., : first - halo] = 0
    assert torch.equal(cell(beyond), made_here)


def test_a_network_that_sees_means_of_the_whole_image_says_so():
    assert made("rdresunet_a").global_pooling and not made("rdresunet").global_pooling
    # Channels are weighted by that mean; the halo is of everything else.
    assert receptive_halo(made("rdresunet", ese_blocks=[True] * 3)) == receptive_halo(
        made("rdresunet")
    )


def test_stochastic_depth_changes_training_alone():
    network = made("rdresunet", drop_rate=0.9)
    image = torch.rand(4, 1, 8, 8)
    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


def test_a_checkpoint_of_pssr2_loads_also_from_several_gpus(tmp_path):
    network = made("resunet")
    parallel = {f"module.{name}": t for name, t in network.state_dict().items()}
    torch.save(parallel, tmp_path / "w.pth")
    tensors = read_tensors(tmp_path / "w.pth")
    assert Facts.read(tmp_path / "w.pth") is None
    fresh = build("resunet", 2, SMALL["resunet"]).eval()
    adopt(fresh, tensors, "w.pth")
    image = torch.rand(1, 1, 8, 8)
    assert torch.equal(fresh(image), network(image))


def test_facts_travel_with_weights(tmp_path):
    facts = Facts("swinir", 2, SMALL["swinir"])
    save_weights(tmp_path / "w.safetensors", made("swinir"), facts)
    assert read_saved(tmp_path / "w.safetensors")[1] == facts
    assert Facts.read(tmp_path / "w.safetensors") == facts


class Trap:
    def __reduce__(self):
        return (print, ("code in a pickle ran",))


def _files(folder):
    (folder / "text.pth").write_text("no weights")
    (folder / "empty.pth").write_bytes(b"")
    (folder / "code.pth").write_bytes(pickle.dumps(Trap()))
    torch.save(Trap(), folder / "zipped.pth")
    torch.save({"epoch": 3, "x": torch.zeros(1)}, folder / "other.pth")
    torch.save([torch.zeros(1)], folder / "list.pth")


@pytest.mark.parametrize("name", ["text", "empty", "code", "zipped", "other", "list", "absent"])
def test_what_is_no_weights_is_refused_and_runs_nothing(name, tmp_path, capsys):
    _files(tmp_path)
    with pytest.raises(InputError, match=rf"{name}\.pth.*Accepted: weights"):
        read_tensors(tmp_path / f"{name}.pth")
    assert "ran" not in capsys.readouterr().out


MISMATCHES = [
    ("resunet", {}, "swinir", {}, 2, "another architecture.*missing.*unknown"),
    ("resunet", {}, "resunet", {}, 4, "reconstruction.pre.weight.*scale 4"),
    ("resunet", {}, "resunet", {"channels": [3, 1]}, 2, "norm.*channels 3"),
    ("resunet", {}, "resunet", {"channels": [1, 3]}, 2, "reconstruction.conv.weight.*3 out"),
    ("swinir", {}, "swinir", {"channels": [3, 1]}, 2, "conv_first.weight.*channels 3 in"),
    ("swinir", {}, "swinir", {"image_size": 32}, 2, "attn_mask.*image_size"),
]


@pytest.mark.parametrize(("arch", "options", "other", "given", "scale", "words"), MISMATCHES)
def test_weights_of_another_network_are_refused_in_words(arch, options, other, given, scale, words):
    weights = made(other, scale, **given).state_dict()
    with pytest.raises(InputError, match=rf"w\.pth.*{words}"):
        adopt(made(arch, 2, **options), weights, "w.pth")
