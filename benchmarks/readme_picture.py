"""The README's picture: a crop of the demo's test field. Run after `make demo`."""

import numpy as np
import yaml
from PIL import Image

from benchmarks.machine import ROOT, heading, parser
from pssrflow.config.settings import Settings
from pssrflow.report.comparison import Comparison
from pssrflow.run.layout import Layout, Sample

GAP = 6
OUT = ROOT / "docs" / "demo.png"


def images() -> dict[str, np.ndarray]:
    """HR, LR as large, and what was made of it, of the most telling place; by name."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    settings = Settings.parse(config, "config.yaml")
    layout, sample = Layout.of(str(ROOT / "results"), None), Sample("test-field", "test")
    view = Comparison(layout, sample, "default", settings.crappify.scale)
    found = view.images(view.most_detailed(settings.report.crop))
    found["LR"] = found["LR"].repeat(view.scale, 0).repeat(view.scale, 1)
    return found


def picture(images: dict[str, np.ndarray]) -> np.ndarray:
    """All side by side, on the grey scale of HR, uint8."""
    low, high = np.percentile(images["HR"], (0.5, 99.5))
    panels = [
        np.clip((i - low) / (high - low) * 255, 0, 255).astype(np.uint8) for i in images.values()
    ]
    gap = np.full((len(panels[0]), GAP), 255, np.uint8)
    return np.hstack([part for panel in panels for part in (panel, gap)][:-1])


if __name__ == "__main__":
    parser(__doc__).parse_args()
    print(heading())
    OUT.parent.mkdir(exist_ok=True)
    Image.fromarray(picture(images())).save(OUT, optimize=True)
    print(OUT)
