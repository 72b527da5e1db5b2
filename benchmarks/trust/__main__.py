"""Are the promises of the map of trust kept? On simulated and on real images.

    python -m benchmarks.trust run --data FOLDER --out FOLDER [--max-time 120s] [--only NAME ...]
    python -m benchmarks.trust errors|coverage|fakes|sizes|domains --out FOLDER [--data FOLDER]
        [--only NAME ...]
    python -m benchmarks.trust specimen|cost|truth --out FOLDER
    python -m benchmarks.trust scans --data FOLDER --out FOLDER

run       the pipeline on every set, with rows to learn from, rows that trust is calibrated on, and
          rows that are tested; three networks
errors    PSNR of the rows that are tested, and gains over the strongest baseline
coverage  of the intervals on the rows that are tested
specimen  the same of the interval for the specimen, against clean images of the simulator
scans     noise as two real scans of a field tell it, beside its variance over 20 of them
fakes     vesicles and bands that are planted in predictions, and structures that are erased
cost      of the map, beside the prediction
truth     PSNR freed of the noise of the truth, on simulated scans whose clean image is known
domains   LR images of another dwell time, focus, pixel size or specimen
sizes     how intervals and gains hold on pixels that are larger or smaller than what was learnt

LR images are bilinear means of 4 x 4 pixels with Poisson noise. What is complete below `--out` is
kept: remove it to begin anew.
"""

from pathlib import Path

from benchmarks.machine import heading, parser
from benchmarks.trust.cost import cost
from benchmarks.trust.domains import domains, sizes
from benchmarks.trust.fakes import fakes
from benchmarks.trust.intervals import coverage, errors, specimen
from benchmarks.trust.noise import scans, truth
from benchmarks.trust.sets import SETS, run

WAYS = {"run": run, "coverage": coverage, "fakes": fakes, "domains": domains, "sizes": sizes}
WAYS |= {"errors": errors, "specimen": specimen, "scans": scans, "truth": truth, "cost": cost}


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("what", choices=list(WAYS))
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--runs", type=int, default=100, help="of `truth`")
    arguments.add_argument("--max-time", default="120s")
    arguments.add_argument("--only", choices=SETS, nargs="*", default=list(SETS))
    options = arguments.parse_args()
    print(heading())
    WAYS[options.what](options)


if __name__ == "__main__":
    main()
