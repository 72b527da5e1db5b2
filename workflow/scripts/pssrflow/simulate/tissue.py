"""Endless simulated tissue for a microscope to image.

The tissue is a pure function of a seed and of physical coordinates: neurites with membranes,
mitochondria with cristae, vesicles, microtubules and endoplasmic reticulum, in three dimensions.
"""

import numpy as np

from pssrflow.errors import InputError
from pssrflow.simulate.cells import Cells, View, look, survey
from pssrflow.simulate.lattice import noise
from pssrflow.simulate.organelles import bump, furthest_nm, mitochondria, particles, step


def scene(seed: int, z_nm: float, y_nm: np.ndarray, x_nm: np.ndarray) -> np.ndarray:
    """Electron signal of the tissue, without noise or blur.

    A pure function of the seed and the coordinates: a region can be rendered block by block.

    Parameters
    ----------
    seed : int
    z_nm : float
        Depth of the plane.
    y_nm, x_nm : ndarray of float64, shape (h,) and (w,)
        Regularly spaced coordinates, rising.

    Returns
    -------
    ndarray of float32, shape (h, w)
        0 (stained black) to 1 (full signal).

    Raises
    ------
    InputError
        If either axis has fewer than two points, which leaves the pitch unknown.
    """
    y_nm, x_nm = np.asarray(y_nm, np.float64), np.asarray(x_nm, np.float64)
    if min(len(y_nm), len(x_nm)) < 2:
        raise InputError("scene", f"{len(y_nm)} x {len(x_nm)} points", "two or more along y and x")
    margin = furthest_nm()
    cells, squares = survey(seed, z_nm, *((c[0] - margin, c[-1] + margin) for c in (y_nm, x_nm)))
    view = look(seed, z_nm, y_nm, x_nm, cells, squares)
    signal = cytoplasm(view, cells)
    ink, lumen = reticulum(view)
    ink = np.maximum(ink, particles(view, cells, squares))
    signal = mitochondria((signal + lumen) * (1 - ink), view, cells)
    return np.clip(signal * (1 - membranes(view)), 0, 1)


def cytoplasm(view: View, cells: Cells) -> np.ndarray:
    """Signal of the cytosol: its own grey in every cell, glia dark, granular throughout."""
    draw = cells.draw(view.seed, 20)
    glia = (draw > 0.9) & (cells.radius < 400)
    grey = np.where(glia, 0.46, 0.76 + 0.14 * (draw - 0.5)).astype(np.float32)
    rough = np.where(glia, 0.065, 0.03 + 0.03 * cells.draw(view.seed, 21)).astype(np.float32)
    clouds = 0.035 * view.noise(22, 300, 160, 160)
    # Stained protein: clumps are darker than the gaps between them are light.
    grain = view.noise(25, 60, 13, 13) + view.noise(28, 90, 26, 26)
    grain = np.where(grain < 0, 1.5 * grain, 0.6 * grain)
    return np.take(grey, view.owner) + clouds + np.take(rough, view.owner) * grain


def reticulum(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Ink and lumen of the endoplasmic reticulum: flat sacs along the zero line of a field."""
    pitch = view.y[1] - view.y[0]
    # One point more on every side, so that slopes at the rim are those that a neighbour sees.
    y, x = (np.pad(c, 1, "reflect", reflect_type="odd") for c in (view.y, view.x))
    field = noise(view.seed, 41, (350, 95, 95), view.z, y, x)
    slope = np.hypot(*np.gradient(field, pitch))[1:-1, 1:-1] + np.float32(0.004)
    field = field[1:-1, 1:-1]
    distance = np.abs(field) / slope
    present = step(view.noise(43, 300, 110, 110), 1.25, 1.5) * step(view.edge, 28, 40)
    return 0.5 * present * bump(distance - 11, 5), 0.05 * present * bump(distance, 8)


def membranes(view: View) -> np.ndarray:
    """Ink of plasma membranes: two leaflets, a cleft, blurred where oblique, dense at synapses."""
    width = np.sqrt(np.float32(4.5**2) + np.square(18 * view.tilt))
    thick = 7 + view.noise(31, 200, 60, 60)
    ink = np.float32(0.9) * np.sqrt(4.5 / width) * bump(view.edge - thick, 1.0 * width)
    cleft = np.float32(0.62) * bump(view.edge, 6)
    synapse = step(view.noise(33, 250, 130, 130), 1.1, 1.6) * view.side * np.exp(-view.edge / 20)
    return np.maximum(np.maximum(ink, cleft), 0.8 * synapse)
