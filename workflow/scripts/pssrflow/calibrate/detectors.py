"""What there is to measure: pairs and images, by what recorded them.

Two detectors, or two settings of one, have noise of their own: they are never measured as one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pssrflow.calibrate.result import Pair
from pssrflow.calibrate.scanner.unpaired import Image
from pssrflow.pairs.field import check_pair
from pssrflow.pairs.grey import Grey
from pssrflow.pairs.mask import Mask, largest_rectangle, open_mask
from pssrflow.volumes.store import Store

# LR pixels along y and x that are read of a plane: enough for any parameter, and little memory.
WINDOW = 1024
# What is measured at most: rows, detectors, images of one that have no partner. And pixels along y
# and x that these need.
MOST_ROWS, MOST_DETECTORS, MOST_IMAGES, SMALLEST = 256, 16, 8, 32
# LR pixels along y and x by which what a mask leaves is measured: some less than counts.
CELL = 8


@dataclass(frozen=True)
class Scans:
    """What there is of one row.

    Attributes
    ----------
    sample : str
    hr, lr : str or None
        Stores; one of them None where there is no pair.
    mask : str or None
        Store that is 0 where nothing is measured.
    """

    sample: str
    hr: str | None
    lr: str | None
    mask: str | None = None


@dataclass
class Detector:
    """What one detector recorded at one setting, and what stands beside it.

    Attributes
    ----------
    name : str
        Of the detector of the HR images, as `Volume.detector`; of the LR images without any.
    beside : str
        Of the detector of the LR images of pairs.
    samples : list of str
    pairs : list of Pair
    hr, lr : list of Image
        Images without a partner; LR images are those of its channel.
    """

    name: str
    beside: str = ""
    samples: list[str] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    hr: list[Image] = field(default_factory=list)
    lr: list[Image] = field(default_factory=list)

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.name} beside {self.beside}" if self.beside else self.name

    def apart(self, notes: list[str]) -> tuple[list[Image], list[Image]]:
        """LR and HR images that are large enough to measure noise in, one by one."""
        lr = [*self.lr, *(Image(pair.name, pair.lr, pair.lr_step) for pair in self.pairs)]
        hr = [*self.hr, *(Image(pair.name, pair.hr, pair.hr_step) for pair in self.pairs)]
        return list(_large(lr, "LR", notes)), list(_large(hr, "HR", notes))


def by_detector(rows: Sequence[Scans], scale: int, planes: int, notes: list[str]) -> list[Detector]:
    """Pairs by their detectors; without any, images by theirs. Those of most samples come first.

    Parameters
    ----------
    rows : list of Scans
    scale : int
    planes : int
        How many of a pair at most.
    notes : list of str
        What a user should know is added to it.

    Raises
    ------
    InputError
        The sizes of a pair do not agree with the scale.
    """
    paired = [row for row in rows if row.hr and row.lr]
    if paired:
        found = _paired(_some(paired, "pairs", notes), scale, planes)
    else:
        # Of each kind: many LR images must not leave out the HR images beside them.
        hr, lr = ([row for row in rows if getattr(row, kind)] for kind in ("hr", "lr"))
        found = _alone([*_some(hr, "HR images", notes), *_some(lr, "LR images", notes)], scale)
    found = sorted(found, key=lambda one: -len(one.samples))
    if len(found) > 1:
        names = "; ".join(one.title for one in found)
        notes.append(f"{len(found)} detectors or settings, each measured on its own: {names}.")
    known: dict[str, Detector] = {}
    for one in found:
        known.setdefault(one.name, one)
    notes += [
        f"{one.name}: LR images of {known[one.name].beside} beside it count; those of {one.beside} "
        f"({', '.join(one.samples)}) were recorded otherwise and were left out."
        for one in found
        if known[one.name] is not one
    ]
    if len(known) > MOST_DETECTORS:
        notes.append(f"{MOST_DETECTORS} were measured; others take that of {found[0].name}.")
    return list(known.values())[:MOST_DETECTORS]


def _some(rows, kind, notes):
    if len(rows) > MOST_ROWS:
        notes.append(f"The first {MOST_ROWS} of {len(rows)} {kind} were measured.")
    return rows[:MOST_ROWS]


def _paired(rows, scale, planes):
    found: dict[tuple[str, str], Detector] = {}
    for row in rows:
        volumes = [Store(path).volume for path in (row.hr, row.lr) if path]
        check_pair(row.sample, *(volume.shape for volume in volumes), scale)
        for channel in range(min(volume.shape[1] for volume in volumes)):
            names = tuple(volume.detector(channel) for volume in volumes)
            one = found.setdefault(names, Detector(*names))
            one.samples.append(row.sample)
            one.pairs += read_pairs(row, scale, planes, channel)
    return found.values()


def read_pairs(row: Scans, scale: int, planes: int, channel: int = 0) -> Iterator[Pair]:
    """Some planes of a row, on the grey scale of their detectors, as far as both images go."""
    hr, lr = (Grey(path, planes, channel) for path in (row.hr, row.lr) if path)
    shape = [min(n, h // scale) for n, h in zip(lr.array.shape[3:], hr.array.shape[3:])]
    for plane in hr.planes:
        coarse = lr.read(plane, WINDOW)[: shape[0], : shape[1]]
        fine = hr.read(plane, scale * WINDOW)
        fine = fine[: scale * coarse.shape[0], : scale * coarse.shape[1]]
        rows, cols = _counted(row, plane, coarse.shape, scale)
        coarse = coarse[rows, cols]
        if not coarse.size:
            continue
        fine = fine[tuple(slice(s.start * scale, s.stop * scale) for s in (rows, cols))]
        t, c, z = plane
        name = f"{row.sample} t={t} z={z}" if c == 0 else f"{row.sample} t={t} c={c} z={z}"
        yield Pair(name, fine, coarse, hr.step, lr.step)


def _counted(row, plane, shape, scale):
    """The largest rectangle of LR pixels of a window of which a mask leaves none out."""
    rows, cols = (slice(0, n) for n in shape)
    if row.mask is None:
        return rows, cols
    sizes = [Store(path).volume.shape for path in (row.lr, row.hr) if path]
    mask = open_mask(row.mask, sizes[0], scale, sizes[-1])
    return largest_rectangle(mask.whole(plane, rows, cols), CELL)


def _alone(rows, scale):
    """HR images by detector, with the LR images of their channel; LR images alone without any."""
    fine, coarse = ({}, {})
    for row in rows:
        if row.hr is not None:
            _add(fine, row, row.hr, _detector, scale)
        if row.lr is not None:
            _add(coarse, row, row.lr, _channel, scale)
    if not fine:
        return [Detector(name, samples=s, lr=i) for name, (s, i) in coarse.items()]
    everything = [image for _, images in coarse.values() for image in images][:MOST_IMAGES]
    samples = [sample for names, _ in coarse.values() for sample in names]
    return [
        Detector(
            name,
            samples=[*names, *samples],
            hr=images,
            lr=coarse.get(channel, ((), everything))[1],
        )
        for (name, channel), (names, images) in fine.items()
    ]


def _detector(volume, channel):
    return volume.detector(channel), volume.channels[channel]


def _channel(volume, channel):
    return volume.channels[channel]


def _add(found, row, path, key, scale):
    """The middle plane of each channel of a store, to what is known of its detector."""
    volume = Store(path).volume
    for channel in range(volume.shape[1]):
        samples, images = found.setdefault(key(volume, channel), ([], []))
        if len(images) < MOST_IMAGES:
            grey = Grey(path, 1, channel)
            samples.append(row.sample)
            plane = grey.planes[0]
            values = grey.read(plane, 2 * WINDOW)
            values = values[_counted_alone(row.mask, volume.shape, plane, values.shape, scale)]
            images.append(Image(row.sample, values, grey.step))


def _counted_alone(path, whole, plane, shape, scale):
    """The same of an HR image without a partner, in its own pixels."""
    rows, cols = (slice(0, n) for n in shape)
    if path is None:
        return rows, cols
    store = Store(path)
    mask = Mask(store, scale, 1 if store.volume.shape[3:] == whole[3:] else scale)
    return largest_rectangle(mask.valid(plane, rows, cols), CELL)


def _large(images: Iterable[Image], kind: str, notes: list[str]) -> Iterator[Image]:
    for image in images:
        if min(image.grey.shape) < SMALLEST:
            notes.append(f"{image.name}: {kind} planes below {SMALLEST} pixels tell no noise.")
        else:
            yield image
