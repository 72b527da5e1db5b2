"""Metrics agree with other implementations and with their definitions."""

import math

import numpy as np
import pytest
from pssrflow.evaluate.errors import UNKNOWN, Remedy
from pssrflow.evaluate.judged import Piece
from pssrflow.evaluate.metrics import AffineFit, ms_ssim, mse, nrmse, pixel_error, psnr, ssim
from pssrflow.evaluate.planes import Fits, Judge, rows_of
from pssrflow.evaluate.windows import Compared
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def test_psnr_and_ssim_equal_those_of_scikit_image(pair):
    truth, image = pair
    assert psnr(mse(Compared.of(truth, image, 255)), 255) == pytest.approx(
        peak_signal_noise_ratio(truth, image, data_range=255)
    )
    reference = structural_similarity(
        truth, image, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(Compared.of(truth, image, 255)) == pytest.approx(reference, abs=2e-3)


def test_identical_images_are_perfect(pair):
    truth, _ = pair
    assert psnr(mse(Compared.of(truth, truth, 255)), 255) == math.inf
    assert ssim(Compared.of(truth, truth, 255)) == pytest.approx(1)
    assert ms_ssim(Compared.of(truth, truth, 255)) == pytest.approx(1)
    assert pixel_error(Compared.of(truth, truth, 255)) == 0


def test_ms_ssim_below_its_smallest_size_is_nan_not_an_error(pair):
    truth, image = (i[:160, :160] for i in pair)
    assert math.isnan(ms_ssim(Compared.of(truth, image, 255)))
    assert math.isfinite(ssim(Compared.of(truth, image, 255)))


def test_nrmse_is_relative_to_the_range_of_the_truth():
    assert nrmse(25.0, 100.0) == 0.05


def test_the_affine_fit_finds_a_planted_gain_and_offset(pair):
    truth, _ = pair
    fit = AffineFit()
    for rows in (slice(0, 100), slice(100, 256)):
        fit.add(truth[rows], (truth[rows] - 12) / 0.8)
    assert fit.solve() == pytest.approx((0.8, 12), rel=1e-4)


def test_where_the_truth_is_unknown_nothing_counts(pair):
    """SSIM is the mean over windows of 11 pixels that hold nothing unknown."""
    truth, image = pair
    half = truth.copy()
    half[:, 150:] = np.nan
    for measured in (mse, pixel_error):
        assert measured(Compared.of(half, image, 255)) == pytest.approx(
            measured(Compared.of(truth[:, :150], image[:, :150], 255)), rel=1e-6
        )
    _, similar = structural_similarity(
        truth,
        image,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    # Noise of the other half is far stronger: a window that reached it would be another.
    image[:, 150:] = 255 - image[:, 150:]
    assert ssim(Compared.of(half, image, 255)) == pytest.approx(
        similar[5:-5, 5:145].mean(), abs=1e-4
    )
    assert math.isnan(ms_ssim(Compared.of(half, image, 255)))


def normalised_by_pssr2(truth, image):
    """As PSSR2 says: percentiles, means, covariance, and back to the levels of the truth."""
    low, high = np.percentile(truth, (0.1, 99.9))
    level = truth.mean()
    scaled = (truth - low) / (high - low)
    scaled -= scaled.mean()
    image = image - image.mean()
    image = image * (image * scaled).mean() / image.var()
    made = [(values - scaled.min()) * high for values in (scaled, image)]
    return [values / (values.mean() / level) for values in made]


@pytest.mark.parametrize("bright", [0, 60])
def test_figures_stand_beside_those_of_pssr2(bright, pair):
    truth, image = (i.astype(np.float64) * 0.6 + bright for i in pair)
    piece = Piece(truth.astype(np.float32), {"sr": (0.7 * image + 9).astype(np.float32)})
    judge = Judge(Fits.of([piece]), 255, Remedy(UNKNOWN), {}, pssr2=True)
    [row] = rows_of([judge.measured(piece)], 255)
    reference = normalised_by_pssr2(truth, 0.7 * image + 9)
    expected = peak_signal_noise_ratio(*reference, data_range=255)
    assert row["psnr_pssr2"] == pytest.approx(expected, abs=1e-3)
    likeness = ssim(Compared.of(*(i.astype(np.float32) for i in reference), 255))
    assert row["ssim_pssr2"] == pytest.approx(likeness, abs=1e-4)
    assert row["psnr_pssr2"] < row["psnr_affine"] or not bright


def test_a_constant_plane_has_no_figure_of_pssr2(pair):
    flat = np.full((64, 64), 90, np.float32)
    piece = Piece(flat, {"sr": flat + 1})
    judge = Judge(Fits.of([piece]), 255, Remedy(UNKNOWN), {}, pssr2=True)
    assert "psnr_pssr2" not in rows_of([judge.measured(piece)], 255)[0]
