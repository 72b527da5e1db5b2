"""Predict at scale: seams, cuts, speed, memory, kills and many parts.

Each figure is a subcommand that prints one table. Weights are those of `make demo` unless others
are named. LR fields are simulated tissue, repeated where they are large; what is compared is timed
in turns.
"""

import argparse
import contextlib
import functools
import json
import math
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import torch
import yaml
from machine import ROOT, heading
from pssrflow.devices import DTYPES, best_device, best_precision
from pssrflow.finish import finish
from pssrflow.intensity import Histogram, Intensity
from pssrflow.jobs import job, read_json, write_json
from pssrflow.microscope import Microscope, scan
from pssrflow.networks import build, load_weights, save_weights
from pssrflow.prediction.assembly import finalise
from pssrflow.prediction.plan import Plan
from pssrflow.prediction.stage import initialise, run_part
from pssrflow.store import Volume, create, open_level, read_volume, write_shard

CHUNK, SHARD = (1, 256, 256), (1, 2048, 2048)
SETTINGS = {
    "tile": "auto",
    "halo": "auto",
    "memory": 4000,
    "blend": "none",
    "overlap": 32,
    "self_ensemble": False,
    "empty": None,
}
SIMULATED = 1024
KILLS, KILLED_PARTS = 20, 32


@functools.cache
def tissue():
    """An LR plane of a fast scan."""
    side = range(SIMULATED)
    microscope = Microscope(step_nm=16, spot_nm=12, dwell_us=8, gain=1)
    return scan(5, microscope, 0, side, side)


def store(path, pixels, chunk=CHUNK, shard=SHARD):
    """Write an array (t, c, z, y, x) as a finished LR store."""
    histogram = Histogram(pixels.dtype)
    histogram.add(pixels[:, :, :1, :SIMULATED, :SIMULATED])
    volume = Volume(
        pixels.shape,
        str(pixels.dtype),
        chunk,
        shard,
        (None, 0.016, 0.016),
        ("0",),
        Intensity.measure([histogram], (1, 99)),
    )
    create(path, volume)
    array = open_level(path, mode="r+")
    digests = {r: write_shard(array, r, pixels[r.slices]) for r in volume.shards()}
    finish(path, Path(f"{path}.json"), digests, 2)
    return path


def repeated(size):
    """A plane of `size` squared pixels, without a copy of it in memory where that can be."""
    times = -(-size // SIMULATED)
    return np.tile(tissue(), (times, times))[:size, :size][None, None, None]


class Run:
    """One prediction in a folder, as the rules make it."""

    def __init__(self, folder, lr, weights, parts=1, chunk=CHUNK, shard=SHARD, **settings):
        self.folder, self.lr, self.weights, self.parts = Path(folder), lr, weights, parts
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sr, self.plan, self.done = (
            self.folder / n for n in ("sr.ome.zarr", "plan.json", "sr.json")
        )
        self.markers = [self.folder / f"parts/{part}.json" for part in range(parts)]
        self.sizes, self.settings = (chunk, shard), SETTINGS | settings

    def initialise(self):
        what = self.lr, self.weights, self.sr, self.plan, self.folder / "parts", self.done
        initialise(*what, self.parts, *self.sizes, self.settings)
        return self

    def part(self, number, threads, precision="auto"):
        what = self.lr, self.weights, self.sr, self.plan, number, self.markers[number]
        run_part(*what, self.done, threads, precision)

    def finalise(self, threads):
        finalise(self.sr, self.plan, self.markers, [], self.done, threads)

    def all(self, threads=None, precision="32"):
        """SR pixels of the whole volume."""
        threads = threads or os.cpu_count()
        self.initialise()
        for number in range(self.parts):
            self.part(number, threads, precision)
        self.finalise(threads)
        return open_level(self.sr)[:]


def undivided(network, plane, window):
    """SR of one pass of a whole plane (y, x), float32."""
    low, high = window
    image = (torch.from_numpy(plane.astype(np.float32))[None, None] - low) / (high - low)
    with torch.inference_mode():
        return (network(image)[0, 0] * (high - low) + low).numpy()


# -- seams --------------------------------------------------------------------------------------


def seams(options, folder):
    """Largest difference from one undivided pass, and the seam score, of every network.

    The score is the mean step across the borders of tiles over that between other neighbours, and
    relative to what the undivided image has at the same places.
    """
    print("| network | tile | halo | blend | largest difference, grey levels | seam score |")
    print("|---" * 6 + "|")
    plane = _plane(options.lr) if options.lr else tissue()
    plane = plane[: options.size, : options.size]
    chunk, shard = (1, 64, 64), (1, 256, 256)
    lr = store(folder / "lr.ome.zarr", plane[None, None, None], chunk, shard)
    window = read_volume(lr).intensity.windows[0]
    for path in options.weights:
        network, facts = load_weights(path)
        whole = np.rint(undivided(network, plane, window).clip(0, 255))
        hard = getattr(network, "global_pooling", False) or facts["arch"] == "swinir"
        # Measured by the first run.
        halo = "auto"
        for tile in options.tiles:
            for blend in ("none", "linear", "gaussian") if hard else ("none",):
                settings = {"tile": tile, "halo": halo, "blend": blend}
                run = Run(folder / "sr", lr, path, 1, chunk, shard, **settings)
                made = run.all()[0, 0, 0]
                cutting = Plan.read(run.plan).cutting
                halo = cutting.halo
                score = seam_score(made, cutting.edges) / seam_score(whole, cutting.edges)
                figures = f"{np.abs(made - whole).max():.0f} | {score:.4f}"
                print(f"| {path.parent.name} | {tile} | {cutting.halo} | {blend} | {figures} |")
                sys.stdout.flush()


def _plane(path):
    """Two planes of an LR store and their mirror images as one, which is larger than tiles."""
    array = open_level(path)
    column = np.concatenate([array[0, 0, z] for z in range(min(2, array.shape[2]))])
    return np.concatenate([column, column[:, ::-1]], axis=1)


def seam_score(image, edges):
    image, across, elsewhere = image.astype(np.float64), [], []
    for axis, cuts in enumerate(edges):
        steps = np.abs(np.diff(image, axis=axis)).mean(axis=1 - axis)
        borders = np.zeros(len(steps), bool)
        borders[[cut - 1 for cut in cuts[1:-1]]] = True
        across.append(steps[borders])
        elsewhere.append(steps[~borders])
    return np.concatenate(across).mean() / np.concatenate(elsewhere).mean()


# -- cuts ---------------------------------------------------------------------------------------


def cuts(options, folder):
    """Parts and tiles of all sizes, and volumes of odd ones, against undivided passes."""
    print("| LR volume (z, y, x) | tile | parts | largest difference, grey levels |")
    print("|---" * 4 + "|")
    whole = tissue()[:640, :640][None]
    reference = None
    for tile in (64, 100, 128, 200, 256, 512):
        reference = _cut(options, folder, whole, tile, 3, reference)
    for parts in (1, 3, 16):
        reference = _cut(options, folder, whole, 64, parts, reference)
    for shape in ((1, 1, 1), (1, 1, 61), (1, 73, 1), (1, 127, 131), (100, 23, 29)):
        count = math.prod(shape)
        pixels = tissue().reshape(-1)[:count].reshape(shape)
        _cut(options, folder, pixels, 64, 3)


def _cut(options, folder, pixels, tile, parts, reference=None):
    chunk, shard = (2, 64, 64), (2, 512, 512)
    lr = store(folder / "lr.ome.zarr", pixels[None, None], chunk, shard)
    made = Run(folder / "sr", lr, options.weights[0], parts, chunk, shard, tile=tile).all()[0, 0]
    if reference is None:
        network, _ = load_weights(options.weights[0])
        window = read_volume(lr).intensity.windows[0]
        planes = [undivided(network, plane, window) for plane in pixels]
        reference = np.rint(np.stack(planes).clip(0, 255))
    size = " x ".join(map(str, pixels.shape))
    print(f"| {size} | {tile} | {parts} | {np.abs(made - reference).max():.0f} |", flush=True)
    return reference


# -- throughput ---------------------------------------------------------------------------------


def throughput(options, folder):
    """The whole stage against the bare network on the same field, in turns."""
    size, threads = options.size, options.threads
    lr = store(folder / "lr.ome.zarr", repeated(size))
    run = Run(folder / "sr", lr, options.weights[0]).initialise()
    cutting = Plan.read(run.plan).cutting
    tile, read = cutting.tile, min(cutting.tile + 2 * cutting.halo, size)
    tiles = max(1, (size // tile) ** 2)
    torch.set_num_threads(threads)
    bare = Bare(options.weights[0])
    ways = {
        "stage: read, network, write, pyramid": lambda: _stage(run, threads),
        f"bare network, {tiles} tiles of {read}²": lambda: bare(read, tiles),
        f"bare network, one tensor of {size}²": lambda: bare(size, 1),
    }
    took = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            took[name].append(time.perf_counter() - start)
    if options.pssr2:
        took["PSSR2: predict_images, reassemble_sheets"] = [_pssr2(options, folder)]
    print(f"{size}² LR, tiles of {tile} and a halo of {cutting.halo} LR pixels, {bare.precision}")
    print("\n| way | seconds, median | lowest to highest | HR megapixel/s | the stage has |")
    print("|---" * 5 + "|")
    ours, pixels = statistics.median(next(iter(took.values()))), (4 * size) ** 2 / 1e6
    for name, found in took.items():
        median, spread = statistics.median(found), f"{min(found):.1f} to {max(found):.1f}"
        figures = f"{median:.1f} | {spread} | {pixels / median:.2f} | {median / ours:.2f} x"
        print(f"| {name} | {figures} |")


class Bare:
    """A network on tensors in memory, with nothing around it."""

    def __init__(self, weights):
        self.device = best_device()
        self.precision = best_precision(self.device)
        network, _ = load_weights(weights)
        self.network = network.to(self.device, memory_format=torch.channels_last)

    def __call__(self, side, times):
        image, dtype = torch.rand(1, 1, side, side), DTYPES[self.precision]
        enabled = self.precision != "32"
        with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=enabled):
            for _ in range(times):
                self.network(image.to(self.device)).float().cpu()


def _stage(run, threads):
    shutil.rmtree(run.markers[0].parent, ignore_errors=True)
    run.part(0, threads)
    run.finalise(threads)


def _pssr2(options, folder):
    sheets = folder / "sheets"
    sheets.mkdir()
    tifffile.imwrite(sheets / "sheet.tif", tissue())
    script = Path(__file__).with_name("pssr2_prediction.py")
    made = subprocess.run([options.pssr2, script, sheets], check=True, stdout=subprocess.PIPE)
    # Of a field as small as takes it minutes, not an hour.
    share = (options.size / SIMULATED) ** 2
    return share * json.loads(made.stdout.splitlines()[-1])["seconds"]


# -- a network that costs nothing -----------------------------------------------------------------

NEAREST = """import torch


class Nearest(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, images):
        return images.repeat_interleave(self.scale, 3).repeat_interleave(self.scale, 2)
"""


def free(options, folder):
    """Read, stitch and write without a network: what would feed a fast one, jobs side by side."""
    (folder / "nearest.py").write_text(NEAREST)
    lr = store(folder / "lr.ome.zarr", repeated(options.size))
    jobs, speeds = os.cpu_count(), {}
    for name, arch, given in (
        ("nearest neighbour", "custom", {"path": f"{folder}/nearest.py:Nearest"}),
        ("bicubic", "bicubic", {}),
    ):
        weights = folder / f"{arch}.safetensors"
        save_weights(weights, build(arch, 4, **given), {"arch": arch, "scale": 4, "options": given})
        speeds[name] = []
        for _ in range(options.rounds):
            run = Run(folder / "sr", lr, weights, jobs, tile=512).initialise()
            started = [
                _child("part", run, "--part", str(number), "--threads", "1")
                for number in range(jobs)
            ]
            seconds = [json.loads(child.communicate()[0])["seconds"] for child in started]
            speeds[name].append((4 * options.size) ** 2 / 1e6 / max(seconds))
    print(f"{options.size}² LR, {jobs} jobs of one thread, from the first read to the last write\n")
    print("| network | HR megapixel/s, median | lowest to highest |")
    print("|---" * 3 + "|")
    for name, found in speeds.items():
        spread = f"{min(found):.0f} to {max(found):.0f}"
        print(f"| {name} | {statistics.median(found):.0f} | {spread} |")


# -- memory -------------------------------------------------------------------------------------


def memory(options, folder):
    """Peak memory of a job that predicts the whole field, by its size."""
    peaks = {}
    for size in options.sizes:
        lr = store(folder / "lr.ome.zarr", repeated(size))
        run = Run(folder / "sr", lr, options.weights[0]).initialise()
        child = _child("part", run)
        peaks[size] = json.loads(child.communicate()[0])["peak_mb"]
    print("| LR field | peak, MB | to the smallest |")
    print("|---" * 3 + "|")
    for size, peak in peaks.items():
        print(f"| {size}² | {peak:.0f} | {peak / peaks[options.sizes[0]]:.2f} |")


def _child(command, run, *arguments):
    """A process of its own that does one part of a run and prints what it took, as JSON."""
    what = json.dumps([str(run.folder), str(run.lr), str(run.weights), run.parts])
    return subprocess.Popen(
        [sys.executable, __file__, command, "--run", what, *arguments], stdout=subprocess.PIPE
    )


def part(options, folder):
    """What `_child` runs."""
    import resource

    run = Run(*json.loads(options.run))
    start = time.perf_counter()
    run.part(options.part, options.threads)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


# -- kills --------------------------------------------------------------------------------------


def kills(options, folder):
    """Kill a run of many parts at random moments, resume it, and compare with a calm one."""
    lr = store(folder / "lr.ome.zarr", repeated(1024), CHUNK, (1, 512, 512))
    config = _workflow(folder, parts=KILLED_PARTS, shard=[1, 512, 512], tile=128)
    calm = Run(folder / "calm", lr, options.weights[0], 1, CHUNK, (1, 512, 512), tile=128)
    calm.all()
    _snakemake(config, "ingest", "train")
    shards, redone, struck = {}, 0, 0
    moments = random.Random(0)
    while struck < KILLS:
        process = _snakemake(config, "predict", wait=False)
        try:
            process.wait(timeout=moments.uniform(8, 30))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        else:
            break
        struck += 1
        redone += _rewritten(folder / "results", shards)
    _snakemake(config, "predict")
    redone += _rewritten(folder / "results", shards)
    same = _content(folder / "results/field/default/sr.done.json") == _content(calm.done)
    print("| kills | parts | shards | shards written again | final hash |")
    print("|---" * 5 + "|")
    verdict = "equal" if same else "DIFFERS"
    print(f"| {struck} | {KILLED_PARTS} | {len(shards)} | {redone} | {verdict} |")


def _rewritten(results, shards):
    """Shards whose file is another one than at the last look."""
    again = 0
    for path in (results / "field/default/sr.ome.zarr/0/c").rglob("*"):
        if path.is_file():
            stamp = path.stat().st_mtime_ns
            again += shards.get(path, stamp) != stamp
            shards[path] = stamp
    return again


def _content(done):
    return read_json(done)["content"]


def _workflow(folder, parts, shard, path="lr.ome.zarr", stores=None, **predict):
    """Configuration and sheet that predict an LR field with weights as they are."""
    config = {
        "stores": stores,
        "simulate": yaml.safe_load((ROOT / "config.yaml").read_text())["simulate"],
        "samples": "samples.tsv",
        "results": "results",
        "ingest": {"chunk": list(CHUNK), "shard": shard},
        "models": {"default": {"weights": "weights.safetensors", "train": False}},
        "predict": {"parts": parts} | predict,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "samples.tsv").write_text(f"sample\trole\tpath\nfield\tpredict\t{path}\n")
    return folder


def _snakemake(folder, *targets, wait=True, env=None):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *targets]
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE if wait else subprocess.DEVNULL,
    }
    process = subprocess.Popen(
        [*command, "--configfile", "config.yaml"],
        cwd=folder,
        start_new_session=True,
        env=env,
        **quiet,
    )
    if wait:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(said.decode())
    return process


# -- a server ------------------------------------------------------------------------------------


def s3(options, folder):
    """The demo's predict row with its stores on an S3 server that fails now and then, killed."""
    sys.path.insert(0, str(ROOT / "tests"))
    from s3 import server

    contents = []
    with server("pssrflow", every=50) as (variables, application):
        for name, stores in (("folder", None), ("server", "s3://pssrflow/demo")):
            (folder / name).mkdir()
            shutil.copy(folder / "weights.safetensors", folder / name)
            _workflow(folder / name, 4, list(SHARD), "simulate:survey", stores, tile=128)
            environment, moments = os.environ | variables, random.Random(0)
            for _ in range(5 if stores else 0):
                process = _snakemake(folder / name, "predict", wait=False, env=environment)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=moments.uniform(15, 30))
                    break
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            _snakemake(folder / name, "predict", env=environment)
            contents.append(_content(folder / name / "results/field/default/sr.done.json"))
        print("| requests | failed on purpose | files of stores in the results | final hash |")
        print("|---" * 4 + "|")
        left = len(list((folder / "server/results").rglob("*.zarr")))
        same = "equal" if contents[0] == contents[1] else "DIFFERS"
        print(f"| {application.requests} | {application.failed} | {left} | {same} |")


# -- many parts ---------------------------------------------------------------------------------


def parts(options, folder):
    """Seconds in which Snakemake plans a run of many parts, and says that nothing is to be done."""
    store(folder / "lr.ome.zarr", repeated(1024))
    _workflow(folder, options.parts, list(SHARD))
    _snakemake(folder, "ingest", "train")
    taken = {"plan the run (--dry-run)": _measured(folder, "predict", "--dry-run", "--quiet")}
    init = folder / "results/field/default/sr.plan.json"
    _snakemake(folder, str(init.relative_to(folder)))
    # Ten thousand starts of Python would take a day here: markers are written by hand, and taken
    # over by Snakemake as if its jobs had made them.
    for number in range(options.parts):
        write_json(init.with_name("sr.parts") / f"{number}.json", {"digests": {"sr": {}}})
    for number in range(options.parts // 8):
        write_json(init.with_name("sr.parts") / f"pyramid.{number}.json", {"level": 0})
    write_json(init.with_name("sr.done.json"), {})
    _snakemake(folder, "predict", "--touch")
    taken["say that nothing is to be done"] = _measured(folder, "predict", "--quiet")
    print("| parts | what | seconds | peak MB |")
    print("|---" * 4 + "|")
    for name, (seconds, peak) in taken.items():
        print(f"| {options.parts} | {name} | {seconds:.1f} | {peak:.0f} |")


def _measured(folder, *targets):
    start = time.perf_counter()
    process = _snakemake(folder, *targets, wait=False)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"snakemake {' '.join(targets)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    demo = ROOT / "results/models/default/best.safetensors"
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--weights", type=Path, nargs="+", default=[demo])
    shared.add_argument("--threads", type=int, default=os.cpu_count())
    commands = parser.add_subparsers(dest="command", required=True)

    def command(function, **defaults):
        made = commands.add_parser(function.__name__, parents=[shared], help=function.__doc__)
        made.set_defaults(run_command=function)
        for name, (default, options) in defaults.items():
            made.add_argument(f"--{name}", default=default, **options)

    whole, several = {"type": int}, {"type": int, "nargs": "+"}
    command(seams, lr=(None, {"type": Path}), size=(512, whole), tiles=([64, 128, 256], several))
    command(cuts)
    command(throughput, size=(4096, whole), rounds=(3, whole), pssr2=(None, {}))
    command(free, size=(16384, whole), rounds=(5, whole))
    command(memory, sizes=([2048, 4096, 8192], several))
    command(kills)
    command(s3)
    command(parts, parts=(10_000, whole))
    command(part, run=("", {}), part=(0, whole))
    options = parser.parse_args()
    options.weights = [path.resolve() for path in options.weights]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.command != "part":
            print(heading())
        if options.weights[0].exists():
            shutil.copy(options.weights[0], folder / "weights.safetensors")
        # As the scripts of the rules work: above all with memory that is used again.
        what = folder / "log.txt", options.threads, folder / options.command
        with job(*what, tensors=True):
            options.run_command(options, folder)
