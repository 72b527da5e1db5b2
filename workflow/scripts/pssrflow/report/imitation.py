"""The report's section on the crappifier: real LR images beside their crappified twins."""

import base64
import io
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from pssrflow.calibrate.plots import draw_twins
from pssrflow.calibrate.result import accepted_in_words
from pssrflow.calibrate.twins import SAME_NOISE, compare
from pssrflow.crappify.chain import Crappifier, NoiseKey, crappify_plane
from pssrflow.crappify.steps import GREY
from pssrflow.evaluate.metrics import AffineFit
from pssrflow.pairs.grey import Grey, move
from pssrflow.run.files import read_json

# LR pixels along y and x that are compared, and that the picture shows.
WINDOW, SHOWN = 512, 96
# Filters reach from the edge; what they make there is not compared.
EDGE = 8


def twins_of(results, stores, row, settings, seed):
    """Compare the acquired LR image of a pair with the crappified HR image.

    Parameters
    ----------
    results, stores : str
        Folders, or a URI of the stores, that hold one folder a sample.
    row : dict
        `sample` of a paired row.
    settings : dict
        Keys of the crappifier, after preset or fit.
    seed : int

    Returns
    -------
    dict
        Title, picture, table rows and a sentence.
    """
    scale = settings["scale"]
    shift = read_json(f"{results}/{row['sample']}/registration.json")["subpixel"]
    stores = [Grey(f"{stores}/{row['sample']}/{name}.ome.zarr", 1) for name in ("hr", "lr")]
    hr, real = move(
        stores[0].read(stores[0].planes[0], WINDOW * scale),
        stores[1].read(stores[1].planes[0], WINDOW),
        shift,
        scale,
    )
    key = NoiseKey(seed, row["sample"], "report", *stores[0].planes[0])
    twin = crappify_plane(hr, Crappifier.from_config(**settings), key, 0.0, GREY)
    quiet = {**settings, "before": [], "noise": []}
    clean = crappify_plane(hr, Crappifier.from_config(**quiet), key, 0.0, GREY)
    edge = min(EDGE, min(real.shape) // 4)
    inner = tuple(slice(edge, n - edge) for n in real.shape)
    hr = hr[tuple(slice(i.start * scale, i.stop * scale) for i in inner)]
    real, twin, clean = (image[inner] for image in (real, twin, clean))
    fit = AffineFit()
    fit.add(real, clean)
    gain, offset = fit.solve()
    found = compare(real, twin, gain * clean + offset)
    return {
        "title": row["sample"],
        "image": _picture(hr, real, twin, found, scale),
        "rows": _table(real, twin, found),
        "text": _sentence(found),
        "good": all(check["passed"] for check in found.checks()),
    }


def _table(real, twin, found):
    noise = found.real_noise.std(), found.twin_noise.std()
    rows = [
        ("mean (grey levels of 255)", real.mean(), twin.mean(), 1),
        ("standard deviation", real.std(), twin.std(), 1),
        ("noise, standard deviation", *noise, 2),
        ("noise in the darkest eighth", found.real_sd[0], found.twin_sd[0], 2),
        ("noise in the brightest eighth", found.real_sd[-1], found.twin_sd[-1], 2),
        (
            "correlation of neighbours along x",
            found.real_correlation[1],
            found.twin_correlation[1],
            3,
        ),
        (
            "correlation of neighbours along y",
            found.real_correlation[0],
            found.twin_correlation[0],
            3,
        ),
    ]
    return [(name, f"{a:.{n}f}", f"{b:.{n}f}") for name, a, b, n in rows]


def _sentence(found):
    real, twin = found.real_noise.std(), found.twin_noise.std()
    text = (
        f"The crappifier makes {twin / max(real, 1e-6):.2f} times the noise of the real scan; the "
        f"distributions differ by {found.distance:.3f} (Kolmogorov-Smirnov). "
    )
    if all(check["passed"] for check in found.checks()):
        return (
            text + f"Up to {SAME_NOISE} is accepted: by its noise the twin passes for a real scan."
        )
    return text + (
        "A network trained on such twins learns another noise than that of your scans: calibrate "
        "(crappify.fit), or train on the acquired pairs."
    )


def _picture(hr, real, twin, found, scale):
    figure = plt.figure(figsize=(16, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=(5.2, 2.6))
    size = min(SHOWN, *real.shape)
    corner = [(n - size) // 2 for n in real.shape]
    cut = tuple(slice(c, c + size) for c in corner)
    fine = tuple(slice(c * scale, (c + size) * scale) for c in corner)
    images = {"LR as acquired": real[cut], "LR crappified": twin[cut], "HR": hr[fine]}
    for place, (name, image) in enumerate(images.items()):
        axis = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        low, high = np.percentile(image if name == "HR" else real[cut], (0.5, 99.5))
        axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(name)
        axis.set_axis_off()
    draw_twins([figure.add_subplot(grid[1, a:b]) for a, b in ((0, 3), (3, 6))], found)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()


def calibration_summary(path):
    """What was fitted, for the report.

    Parameters
    ----------
    path : path-like
        The `crappifier.json` of the calibration.

    Returns
    -------
    dict
        Verdict, parameters and checks as rows of text, and plots.
    """
    path = Path(path)
    content = read_json(path)
    plots = ("variance", "residuals", "registration", "twins")
    return {
        "verdict": content["verdict"],
        "reasons": content["reasons"],
        "samples": ", ".join(content["samples"]),
        "parameters": [
            (name, _value(p["value"]), _interval(p), p["unit"])
            for name, p in content["parameters"].items()
        ],
        "checks": [
            (c["name"], _value(c["value"]), accepted_in_words(c["accepted"]), c["passed"])
            for c in content["checks"]
        ],
        "plots": [
            (name, base64.b64encode(file.read_bytes()).decode())
            for name in plots
            if (file := path.with_name(f"{name}.png")).exists()
        ],
    }


def _value(value):
    return "–" if value is None else value if isinstance(value, str) else f"{value:.4g}"


def _interval(parameter):
    if parameter.get("low") is None:
        return ""
    return f"{parameter['low']:.4g} to {parameter['high']:.4g}"
