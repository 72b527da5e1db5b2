"""Options that networks of PSSR2 have in common, and which of them go together; no torch."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from pssrflow.keys import Fault, key
from pssrflow.networks.options import NetworkOptions, undivided, wrong

Positive = Annotated[int, Field(ge=1)]
Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Positive | Annotated[tuple[Positive, ...], Field(min_length=1, max_length=2)]
Holes = Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(min_length=1)]
Blocks = Annotated[int, Field(ge=1, le=64)]
Share = Annotated[float, Field(ge=0, lt=1)]

CHANNELS = "Channels of the images; or two numbers, in and out."
Dilations = tuple[Holes, ...] | None
PoolSizes = tuple[Blocks, ...] | None
ATROUS_POOLS = (1, 2, 4, 8)


def dilations(default: tuple[tuple[int, ...], ...] | None) -> Any:
    """Key of the dilations, whose default is that of the network."""
    meaning = "Dilations of the parallel branches of each level's blocks; null for plain blocks."
    return key(default, meaning, min_length=1)


def pool_sizes(default: tuple[int, ...] | None) -> Any:
    """Key of the pyramid pooling, whose default is that of the network."""
    meaning = "Sides of the squares of pyramid pooling before the reconstruction; null for none."
    return key(default, meaning, min_length=1)


class Residual(NetworkOptions):
    """Options of all residual networks of PSSR2."""

    channels: Channels = key(1, CHANNELS)
    hidden: tuple[Width, ...] = key(
        (64, 128, 256, 512, 1024),
        "Channels of each level, from fine to coarse; each halves the resolution.",
        min_length=1,
        max_length=8,
    )
    depth: int = key(3, "Convolutions of a residual block besides its first.", ge=0, le=16)
    dilations: Dilations = dilations(None)
    pool_sizes: PoolSizes = pool_sizes(None)
    encoder_pool: bool = key(False, "Pyramid pooling after the encoder too.")

    def faults(self) -> Iterator[Fault]:
        """Of the U-Net; each level but the first is shuffled to four times the pixels."""
        yield from self._common_faults()
        for width in self.hidden[1:]:
            yield from undivided(
                "hidden", width, 4, "every level but the first is shuffled to four times the pixels"
            )
        yield from self._unpooled("hidden[0]", self.hidden[0])
        if self.encoder_pool:
            yield from self._unpooled("hidden[-1]", self.hidden[-1])

    def _common_faults(self) -> Iterator[Fault]:
        if self.dilations and len(self.dilations) != len(self.hidden):
            found = f"{len(self.dilations)} lists for {len(self.hidden)} of hidden"
            yield wrong("dilations", found, "as many lists")
        if self.encoder_pool and not self.pool_sizes:
            accepted = "pool_sizes, or encoder_pool: false"
            yield wrong("encoder_pool", "true without pool_sizes", accepted)

    def _unpooled(self, what: str, width: int) -> Iterator[Fault]:
        if self.pool_sizes and width % len(self.pool_sizes):
            found = f"{len(self.pool_sizes)} of them for {what} of {width}"
            yield wrong("pool_sizes", found, "a divisor of that number")


class Dense(Residual):
    """Options of the networks with a dense encoder, RDNet."""

    # `ese_blocks` weigh channels by their means over the image.
    whole_image = True

    hidden: tuple[Width, ...] = key(
        (1024, 1024, 512, 256),
        "Channels of each level of the decoder, from coarse to fine.",
        min_length=1,
        max_length=8,
    )
    rdnet_init: int = key(128, "Channels after the encoder's first layer.", ge=8, le=8192)
    growth_rates: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = key(
        (64, 104, 128, 128, 128, 128, 224),
        "Channels that each dense block adds, per stage of the encoder.",
        min_length=1,
        max_length=32,
    )
    ds_blocks: tuple[bool, ...] = key(
        (False, True, True, False, False, False, True),
        "Stages that begin with half the resolution; one less than levels of the decoder.",
        min_length=1,
    )
    ese_blocks: tuple[bool, ...] = key(
        (False, False, True, True, True, True, True),
        "Stages whose channels are weighted by means over the whole tile.",
        min_length=1,
    )
    n_blocks: Positive | Annotated[tuple[Blocks, ...], Field(min_length=1)] = key(
        (3, 3, 3, 3, 3, 3, 3), "Dense blocks of each stage; or one number for all."
    )
    patch_size: int = key(2, "LR pixels along y and x that the encoder takes as one.", ge=1, le=16)
    bottleneck: float = key(4, "Width inside a dense block, relative to its input.", gt=0, le=16)
    compression: float = key(
        0.5, "Share of the channels that a transition between stages keeps.", gt=0, le=1
    )
    # PSSR2 has the option but does nothing with it.
    drop_rate: Share = key(
        0,
        "Share of the images for which training leaves the last dense block out; rises from 0 to "
        "this.",
    )

    @property
    def blocks(self) -> tuple[int, ...]:
        """Dense blocks of each stage."""
        given = self.n_blocks
        return (given,) * len(self.growth_rates) if isinstance(given, int) else given

    @property
    def features(self) -> list[int]:
        """Channels of the encoder after its stages that something skips from, fine to coarse."""
        skips, features = [], self.rdnet_init
        for stage, (growth, down, blocks) in enumerate(
            zip(self.growth_rates, self.ds_blocks, self.blocks)
        ):
            if stage and down:
                skips.append(features)
            if stage:
                features = compressed(features, self.compression)
            features += growth * blocks
        return [*skips, features]

    def faults(self) -> Iterator[Fault]:
        yield from self._common_faults()
        unequal = list(self._unequal_stages())
        yield from unequal or self._decoder_faults()

    def _unequal_stages(self) -> Iterator[Fault]:
        stages = len(self.growth_rates)
        per_stage = {"ds_blocks": self.ds_blocks, "ese_blocks": self.ese_blocks}
        for name, values in (per_stage | {"n_blocks": self.blocks}).items():
            if len(values) != stages:
                found = f"{len(values)} values for {stages} growth_rates"
                yield wrong(name, found, "one for each stage of the encoder")

    def _decoder_faults(self) -> Iterator[Fault]:
        if self.ds_blocks[0]:
            accepted = "false: patch_size shrinks before the first stage"
            yield wrong("ds_blocks", "the first is true", accepted)
        if sum(self.ds_blocks) != len(self.hidden) - 1:
            found = f"{sum(self.ds_blocks)} are true for {len(self.hidden)} of hidden"
            yield wrong("ds_blocks", found, "one less than hidden")
        for width in self.hidden[:-1]:
            yield from undivided(
                "hidden", width, 4, "every level but the last is shuffled to four times the pixels"
            )
        patch, last = self.patch_size**2, self.hidden[-1]
        yield from undivided("hidden", last, patch, "the last level is shuffled by patch_size")
        yield from self._unpooled("hidden[-1] / patch_size**2", last // patch)
        if self.encoder_pool:
            yield from self._unpooled("channels of the encoder", self.features[-1])


def compressed(features: int, ratio: float) -> int:
    """Channels between two stages of RDNet, a multiple of eight."""
    return int(features * ratio / 8) * 8
