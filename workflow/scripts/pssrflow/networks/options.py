"""Options of PSSR2's networks that fit together; needs no torch, so parsing stays quick."""

from typing import Literal

from pssrflow.errors import InputError

Precision = Literal["auto", "bf16", "16", "32"]

# Keys of a network in the configuration that are no options of its architecture.
NO_OPTIONS = {"arch", "weights", "train", "intensity", "files", "members"}
RESIDUAL = ("resunet", "resunet_a", "rdresunet", "rdresunet_a")
ZOO = (*RESIDUAL, "swinir")
ATROUS_POOLS = [1, 2, 4, 8]
DILATIONS = [[1, 3, 15, 31], [1, 3, 15], [1, 3], [1], [1]]
# Of the decoder, whose first level is the coarsest one.
RD_DILATIONS = [[1], [1], [1, 3], [1, 3, 15]]
WIDTHS = [64, 128, 256, 512, 1024]
RD_WIDTHS = [1024, 1024, 512, 256]
RDNET = {
    "rdnet_init": 128,
    "growth_rates": [64, 104, 128, 128, 128, 128, 224],
    "ds_blocks": [False, True, True, False, False, False, True],
    "ese_blocks": [False, False, True, True, True, True, True],
    "n_blocks": [3, 3, 3, 3, 3, 3, 3],
    "patch_size": 2,
    "compression": 0.5,
}
SWIN = {
    "image_size": 128,
    "embed_dim": 96,
    "window_size": 8,
    "patch_size": 1,
    "depths": [4, 4, 4, 4],
    "num_heads": [6, 6, 6, 6],
    "upsampler": "pixelshuffle",
    "resi_connection": "1conv",
}


def in_and_out(channels):
    """Channels of the input and of the output, from one number for both or from two."""
    one = isinstance(channels, int)
    return (channels, channels) if one else (channels[0], channels[-1])


def check_options(arch, scale, options):
    """Refuse options that no network can have together; each on its own is the schema's affair.

    A network of the user's own is made, and tried on a small image.

    Parameters
    ----------
    arch : str
        Names that are not of PSSR2's networks pass.
    scale : int
    options : dict
        Defaults may be missing.

    Raises
    ------
    InputError
    """
    if arch in RESIDUAL:
        _residual(arch, options)
    elif arch == "swinir":
        _swinir(scale, SWIN | options)
    elif arch == "unet":
        _levels(options.get("widths"), options.get("blocks"))
    elif arch == "custom":
        # Only now: torch takes seconds to load.
        from pssrflow.networks.custom import own_network

        own_network(scale, options["path"], options.get("options"))


def _levels(widths, blocks):
    levels = 3 if widths is None else len(widths)
    if isinstance(blocks, list) and len(blocks) != levels:
        _refuse("blocks", f"{len(blocks)} numbers", f"one, or one for each of {levels} levels")


def encoder_features(init, growth_rates, ds_blocks, n_blocks, compression):
    """Channels of RDNet after its stages that something skips from, fine to coarse."""
    skips, features = [], init
    for stage, (growth, down, blocks) in enumerate(zip(growth_rates, ds_blocks, n_blocks)):
        if stage and down:
            skips.append(features)
        if stage:
            features = compressed(features, compression)
        features += growth * blocks
    return [*skips, features]


def compressed(features, ratio):
    """Channels between two stages of RDNet, a multiple of eight."""
    return int(features * ratio / 8) * 8


def _residual(arch, options):
    rdnet, atrous = arch.startswith("rd"), arch.endswith("_a")
    hidden = options.get("hidden", RD_WIDTHS if rdnet else WIDTHS)
    dilations = options.get("dilations", _dilations(rdnet) if atrous else None)
    pools = options.get("pool_sizes", ATROUS_POOLS if atrous else None)
    if dilations and len(dilations) != len(hidden):
        _refuse("dilations", f"{len(dilations)} lists for {len(hidden)} of hidden", "as many lists")
    if options.get("encoder_pool") and not pools:
        _refuse("encoder_pool", "true without pool_sizes", "pool_sizes, or encoder_pool: false")
    (_rdnet if rdnet else _unet)(hidden, pools, options)


def _dilations(rdnet):
    return RD_DILATIONS if rdnet else DILATIONS


def _unet(hidden, pools, options):
    for width in hidden[1:]:
        _divides(
            "hidden", width, 4, "every level but the first is shuffled to four times the pixels"
        )
    _pooled("hidden[0]", hidden[0], pools)
    if options.get("encoder_pool"):
        _pooled("hidden[-1]", hidden[-1], pools)


def _rdnet(hidden, pools, options):
    options = RDNET | options
    stages, blocks = len(options["growth_rates"]), options["n_blocks"]
    blocks = [blocks] * stages if isinstance(blocks, int) else blocks
    for name, values in (
        ("ds_blocks", options["ds_blocks"]),
        ("ese_blocks", options["ese_blocks"]),
        ("n_blocks", blocks),
    ):
        if len(values) != stages:
            found = f"{len(values)} values for {stages} growth_rates"
            _refuse(name, found, "one for each stage of the encoder")
    if options["ds_blocks"][0]:
        _refuse(
            "ds_blocks", "the first is true", "false: patch_size shrinks before the first stage"
        )
    if sum(options["ds_blocks"]) != len(hidden) - 1:
        found = f"{sum(options['ds_blocks'])} are true for {len(hidden)} of hidden"
        _refuse("ds_blocks", found, "one less than hidden")
    for width in hidden[:-1]:
        _divides(
            "hidden", width, 4, "every level but the last is shuffled to four times the pixels"
        )
    patch = options["patch_size"] ** 2
    _divides("hidden", hidden[-1], patch, "the last level is shuffled by patch_size")
    _pooled("hidden[-1] / patch_size**2", hidden[-1] // patch, pools)
    if options.get("encoder_pool"):
        features = encoder_features(
            options["rdnet_init"],
            options["growth_rates"],
            options["ds_blocks"],
            blocks,
            options["compression"],
        )
        _pooled("channels of the encoder", features[-1], pools)


def _swinir(scale, options):
    heads, upsampler = options["num_heads"], options["upsampler"]
    if len(options["depths"]) != len(heads):
        found = f"{len(options['depths'])} values for {len(heads)} num_heads"
        _refuse("depths", found, "as many of both")
    for number in heads:
        _divides("embed_dim", options["embed_dim"], number, "each head takes an equal share")
    _whole_windows(options)
    if options["resi_connection"] == "3conv" and options["embed_dim"] < 4:
        _refuse("embed_dim", f"{options['embed_dim']} with 3conv", "at least 4")
    if upsampler == "pixelshuffle" and scale != 3 and scale & (scale - 1):
        _refuse(
            "upsampler", f"pixelshuffle at scale {scale}", "a power of 2, 3; pixelshuffledirect"
        )
    if upsampler == "nearest+conv" and scale not in (2, 4):
        _refuse("upsampler", f"nearest+conv at scale {scale}", "scale 2 or 4")
    if upsampler is None:
        _no_upsampler(scale, *in_and_out(options.get("channels", 1)))


def _whole_windows(options):
    window, size = options["window_size"], options["image_size"] // options["patch_size"]
    if size < 1 or (size > window and size % window):
        found = f"{options['image_size']} with patch_size {options['patch_size']}"
        accepted = f"a multiple of window_size * patch_size, {window * options['patch_size']}"
        _refuse("image_size", found, accepted)


def _no_upsampler(scale, inputs, outputs):
    if scale != 1:
        _refuse("upsampler", f"null at scale {scale}", "scale 1, or pixelshuffle")
    if inputs != outputs:
        _refuse("channels", f"{inputs} and {outputs} with upsampler: null", "the same number")


def _pooled(key, width, pools):
    if pools and width % len(pools):
        _refuse(
            "pool_sizes", f"{len(pools)} of them for {key} of {width}", "a divisor of that number"
        )


def _divides(key, width, divisor, why):
    if width % divisor:
        _refuse(key, f"{width}", f"a multiple of {divisor} ({why})")


def _refuse(key, found, accepted):
    raise InputError(key, f"found {found}", accepted)
