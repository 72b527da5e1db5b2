"""Print where the report is and its headline figures; what `make demo` ends with."""

import sys
from pathlib import Path

import pandas as pd


def headline(results):
    """Text: the path of the report, and the mean metrics of every test row."""
    files = sorted(Path(results).glob("*/*/metrics.csv"))
    table = pd.concat(pd.read_csv(file) for file in files)
    columns = ["psnr", "ssim", "ms_ssim", "nrmse"]
    means = table.groupby(["sample", "model", "method"], sort=False)[columns].mean()
    return f"\n{means.round(4).to_string()}\n\nReport: {Path(results, 'report.html').resolve()}"


if __name__ == "__main__":
    print(headline(sys.argv[1]))
