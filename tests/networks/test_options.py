"""Options of networks: read without torch, checked together, the defaults of the network itself."""

import subprocess
import sys

import pytest
import torch
from pssrflow.config.check import check_config
from pssrflow.errors import InputError
from pssrflow.networks.registry import build, modules, names, network_symbol, options_of
from pssrflow.plugins import load

FROM_CONFIGURATION = [name for name in names() if name not in ("custom", "ensemble", "torchscript")]

IMPOSSIBLE = [
    ("resunet", 4, {"hidden": [4, 8], "dilations": [[1]]}, "dilations.*1 lists for 2"),
    ("resunet", 4, {"encoder_pool": True}, "encoder_pool.*true without pool_sizes"),
    ("resunet", 4, {"hidden": [5, 8], "pool_sizes": [1, 2]}, "pool_sizes.*hidden.0. of 5"),
    ("resunet", 4, {"hidden": [4, 6]}, "hidden.*found 6.*multiple of 4"),
    ("rdresunet", 4, {"hidden": [8, 8]}, "ds_blocks.*3 are true for 2 of hidden"),
    ("rdresunet", 4, {"n_blocks": [1, 2]}, "n_blocks.*2 values for 7"),
    ("swinir", 4, {"embed_dim": 10}, "embed_dim.*found 10.*multiple of 6"),
    ("swinir", 4, {"num_heads": [6]}, "depths.*4 values for 1"),
    ("swinir", 5, {}, "upsampler.*pixelshuffle at scale 5"),
    ("swinir", 3, {"upsampler": "nearest+conv"}, "upsampler.*at scale 3"),
    ("swinir", 2, {"upsampler": None}, "upsampler.*null at scale 2"),
    ("swinir", 4, {"image_size": 100}, "image_size.*found 100.*multiple"),
]


@pytest.mark.parametrize(("arch", "scale", "options", "words"), IMPOSSIBLE)
def test_options_that_do_not_go_together_are_refused(arch, scale, options, words):
    with pytest.raises(InputError, match=words):
        build(arch, scale, options)
    with pytest.raises(InputError, match=rf"models\.m\.{words}"):
        check_config(
            {"models": {"m": {"arch": arch, **options}}, "crappify": {"scale": scale}}, "c"
        )


def test_reading_the_options_of_every_network_loads_no_torch():
    code = (
        "import sys; from pssrflow.networks.registry import names, options_of;"
        "print(*(len(options_of(name).model_fields) for name in names()));"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=load("pssrflow.plugins:PACKAGE").parent,
        capture_output=True,
        text=True,
        check=True,
    )
    counted = [len(load(f"{module}:Options").model_fields) for module in modules().values()]
    assert done.stdout.split() == list(map(str, counted))


@pytest.mark.parametrize("name", names())
def test_every_name_resolves_to_a_network_and_its_options(name):
    assert callable(load(network_symbol(name)))
    for key, field in options_of(name).model_fields.items():
        assert field.description, f"{name}.{key} has no meaning"


@pytest.mark.parametrize("name", FROM_CONFIGURATION)
def test_a_network_without_options_has_those_of_the_configuration(name):
    model = check_config({"models": {"m": {"arch": name}}}, "c").models["m"]
    with torch.device("meta"):
        own = build(name, 4, model.options).state_dict()
        default = build(name, 4, {}).state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in default.items()}


def test_an_unknown_network_is_refused_with_the_names_of_all():
    with pytest.raises(InputError, match=r"arch: found 'vit'\. Accepted: bicubic, custom"):
        build("vit", 4, {})


def test_weights_of_an_older_version_may_lack_options():
    assert options_of("unet").parse({"widths": [8, 16], "blocks": 1}, "w").size == "base"


def test_some_options_of_the_unet_need_each_other():
    with pytest.raises(InputError, match=r"blocks: found 2 numbers.*each of 3 levels"):
        build("unet", 4, {"blocks": [1, 2]})
    with pytest.raises(InputError, match=r"blocks: found null"):
        build("unet", 4, {"widths": [8, 16]})


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"arch": "resnet"}, r"models\.mine\.arch: found \"resnet\".*resunet"),
        ({"arch": "torchscript"}, r"models\.mine\.arch: found \"torchscript\""),
        ({"arch": "resunet", "hiden": [4]}, r"mine\.hiden: unknown key.*did you mean 'hidden'"),
        ({"arch": "resunet", "hidden": [4, 6]}, r"models\.mine\.hidden: found 6"),
        ({"arch": "swinir", "num_heads": [5, 5, 5, 5]}, r"models\.mine\.embed_dim: found 96"),
        ({"arch": "swinir", "channels": [4, 1]}, r"models\.mine\.channels: found \[4, 1\]"),
        ({"arch": "swinir", "channels": 3}, r"channels: found 3\. Accepted: 1 \("),
        (
            {"arch": "resunet", "channels": [3, 1], "frames": {"in": 5}},
            r"models\.mine\.channels: found \[3, 1\]\. Accepted: \[5, 1\]",
        ),
        (
            {"arch": "unet", "frames": {"in": 4}},
            r"models\.mine\.frames\.in: found 4\. Accepted: an odd",
        ),
        (
            {"arch": "unet", "frames": {"axis": "x"}},
            r"frames\.axis: found \"x\"\. Accepted: z, t, zt, tz",
        ),
        ({"arch": "unet", "frames": {"im": 5}}, r"frames\.im: unknown key\. Accepted:.*in"),
        ({"arch": "custom"}, "path"),
        ({"arch": "custom", "path": "gone.py:Net"}, r"models\.mine: gone\.py:Net: no file"),
    ],
)
def test_a_model_that_cannot_be_is_refused_while_the_configuration_is_read(model, words):
    with pytest.raises(InputError, match=words):
        check_config({"models": {"mine": model}}, "my.yaml")
