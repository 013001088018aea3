"""PSFs that vary with position: values, files, and PSFEx's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from ccd_frames import add_gaussian_star, box, make_wcs
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_files import read, write

from butler.errors import FileFormatError
from butler.formatters.psf_file import read_psfex_models
from butler.images import (
    CcdInput,
    CoaddInputs,
    Exposure,
    GaussianPsf,
    InvalidPsfError,
    KernelPsf,
    MaskedImage,
    PolynomialPsf,
    PsfexPsf,
    adaptive_moments,
    polynomial_terms,
)

DECAM = Path(__file__).parents[1] / ".." / "shared" / "data" / "decam_cp"


def gaussian(fwhm: float, size: int = 41, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Return a Gaussian of flux 1 off the middle of a square by ``(x, y)``."""
    stamp = np.zeros((size, size))
    add_gaussian_star(stamp, size // 2 + x, size // 2 + y, 1.0, fwhm)
    return stamp


def model(degree: int = 2, **more: Any) -> PolynomialPsf:
    """Return a model of random small terms about a Gaussian."""
    rng = np.random.default_rng(3)
    n_terms = (degree + 1) * (degree + 2) // 2
    basis = rng.normal(0, 1e-4, (n_terms, 25, 25))
    basis[0] += gaussian(4.0, 25)
    return PolynomialPsf(basis, 500.0, 300.0, 400.0, 250.0, **more)


def written_out(psf: PolynomialPsf, x: float, y: float) -> np.ndarray:
    """Add up the terms one by one, in PSFEx's order: 1, x, x², y, xy, y² for a degree of 2."""
    u, v = (x - psf.x0) / psf.x_scale, (y - psf.y0) / psf.y_scale
    exponents = [(i, j) for j in range(psf.degree + 1) for i in range(psf.degree + 1 - j)]
    total = np.zeros(psf.basis.shape[1:])
    for (i, j), image in zip(exponents, psf.basis, strict=True):
        total += u**i * v**j * image
    return total / total.sum()


def test_terms_come_in_the_order_of_psfex() -> None:
    """For a degree of 2 the terms are 1, x, x², y, xy, y²."""
    np.testing.assert_allclose(polynomial_terms(2.0, 3.0, 2), [1, 2, 4, 3, 6, 9])


@given(st.integers(0, 3), st.floats(0, 1000), st.floats(0, 600))
@settings(deadline=None, max_examples=25)
def test_kernel_is_the_sum_of_the_terms(degree: int, x: float, y: float) -> None:
    """The kernel equals the terms written out, and has the sum 1."""
    psf = model(degree)
    kernel = psf.computeKernelImage(x=x, y=y)
    np.testing.assert_allclose(kernel, written_out(psf, x, y), atol=1e-12)
    assert kernel.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("sampling", [0.5, 0.7, 1.0, 1.3])
def test_sampling_of_the_model_does_not_matter(sampling: float) -> None:
    """A Gaussian sampled finer or coarser than pixels gives the same PSF."""
    fine = np.arange(-40, 41) * sampling
    sigma = 2.0
    profile = np.exp(-0.5 * (fine / sigma) ** 2)
    psf = PolynomialPsf(np.outer(profile, profile)[np.newaxis], 0, 0, 1, 1, sampling)
    moments = psf.computeMoments(x=7, y=8)
    assert moments.determinant_radius == pytest.approx(sigma, rel=2e-3)
    assert psf.computeKernelImage(x=0, y=0).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("psf", [GaussianPsf(1.7), KernelPsf(gaussian(4.0))], ids=["gaussian", "kernel"])
def test_image_of_a_source_lies_where_the_source_is(psf: Any) -> None:
    """A source between pixels has its flux, and its centroid to what the taps allow."""
    image = psf.computeImage(x=100.3, y=-20.4)
    rows, columns = np.indices(image.array.shape)
    assert image.array.sum() == pytest.approx(1.0)
    centroid = (image.array * columns).sum() + image.xy0.x, (image.array * rows).sum() + image.xy0.y
    assert centroid == pytest.approx((100.3, -20.4), abs=0.012)
    np.testing.assert_allclose(psf.computeImage(x=5, y=6).array, psf.computeKernelImage(x=5, y=6))


def test_image_of_a_source_is_that_of_a_shifted_gaussian() -> None:
    """Shifting a kernel agrees with drawing it at the position."""
    image = KernelPsf(gaussian(4.0)).computeImage(x=10.3, y=20.2)
    np.testing.assert_allclose(image.array, gaussian(4.0, x=0.3, y=0.2), atol=1e-4)


def test_moments_of_an_ellipse() -> None:
    """Moments, sizes and distortions of an elliptical Gaussian are its own."""
    stamp = np.zeros((61, 61))
    add_gaussian_star(stamp, 30, 30, 1.0, 6.0, ratio=1.3)
    sigma2 = (6.0 / (2 * math.sqrt(2 * math.log(2)))) ** 2
    moments = adaptive_moments(stamp)
    # Pixels add their own variance.
    ixx, iyy = 1.69 * sigma2 + 1 / 12, sigma2 + 1 / 12
    assert (moments.ixx, moments.iyy, moments.ixy) == pytest.approx((ixx, iyy, 0.0), abs=0.01)
    assert moments.e1 == pytest.approx((ixx - iyy) / (ixx + iyy), abs=1e-3)
    assert moments.e2 == pytest.approx(0.0, abs=1e-9)
    assert moments.trace_radius == pytest.approx(math.sqrt((ixx + iyy) / 2), rel=1e-3)


@pytest.mark.parametrize(
    ("basis", "told"),
    [
        (np.ones((2, 5, 5)), "1, 3, 6, 10 ... terms, not 2"),
        (np.ones((1, 4, 5)), "odd sides"),
        (np.full((1, 5, 5), np.nan), "finite"),
        (-np.ones((1, 5, 5)), "positive sum"),
    ],
)
def test_what_is_no_model_is_refused(basis: np.ndarray, told: str) -> None:
    """Wrong numbers of terms, even sides, NaN and negative sums are errors that say so."""
    with pytest.raises(ValueError, match=told):
        PolynomialPsf(basis, 0, 0, 1, 1)


def test_a_model_far_outside_its_image_has_no_psf() -> None:
    """Where the polynomials have taken the sum below 0 there is no PSF."""
    basis = np.stack([gaussian(4.0), -gaussian(4.0), 0 * gaussian(4.0)])
    psf = PolynomialPsf(basis, 0, 0, 100, 100)
    with pytest.raises(InvalidPsfError, match=r"sum -1 at \(200, 0\), not a positive one"):
        psf.computeKernelImage(x=200, y=0)


PSFEX = PsfexPsf(model().basis, 500.0, 300.0, 400.0, 250.0, 0.8, 55, 3.9, 1.1)


@pytest.mark.parametrize("psf", [model(), PSFEX, GaussianPsf(2.0), KernelPsf(gaussian(3.0))])
def test_psfs_survive_the_file_of_an_exposure(tmp_path: Path, psf: Any) -> None:
    """The PSF of an exposure, and those of its inputs, are read as they were written."""
    ccd = CcdInput(1, 2, box(9, 9), 3, 0.5, "r", make_wcs(), psf)
    other = CcdInput(1, 3, box(9, 9), 3, 0.5, "r", make_wcs(), GaussianPsf(1.0))
    exposure = Exposure(
        MaskedImage.from_bbox(box(9, 9)), wcs=make_wcs(), psf=psf, coaddInputs=CoaddInputs((), (ccd, other))
    )
    write(exposure, tmp_path / "e.fits", "ExposureF")
    found = read(tmp_path / "e.fits", "ExposureF")
    assert type(found.psf) is type(psf)
    assert found.psf == psf
    assert [row.psf for row in found.coaddInputs.ccds] == [psf, GaussianPsf(1.0)]
    if isinstance(psf, PsfexPsf):
        assert (found.psf.n_stars, found.psf.fwhm, found.psf.chi2) == (55, 3.9, 1.1)


@pytest.mark.parametrize("psf", [model(), PSFEX, GaussianPsf(2.0), KernelPsf(gaussian(3.0))])
def test_psfs_are_datasets_of_their_own(tmp_path: Path, psf: Any) -> None:
    """A PSF is read from its own file as it was written."""
    write(psf, tmp_path / "psf.fits", "Psf")
    found = read(tmp_path / "psf.fits", "Psf")
    assert type(found) is type(psf)
    assert found == psf


def test_a_psf_file_of_psfex_is_read(tmp_path: Path) -> None:
    """The header of PSFEx's own file describes the model in its table."""
    column = fits.Column("PSF_MASK", "1875E", dim="(25,25,3)", array=[model(1).basis])
    hdu = fits.BinTableHDU.from_columns([column], name="PSF_DATA")
    hdu.header.update({"POLNAXIS": 2, "POLNGRP": 1, "POLDEG1": 1, "POLGRP1": 1, "POLGRP2": 1,
                       "POLNAME1": "X_IMAGE", "POLZERO1": 501.0, "POLSCAL1": 400.0, "POLNAME2": "Y_IMAGE",
                       "POLZERO2": 301.0, "POLSCAL2": 250.0, "PSF_SAMP": 0.8, "PSFNAXIS": 3, "PSFAXIS1": 25,
                       "PSFAXIS2": 25, "ACCEPTED": 55, "CHI2": 1.1, "PSF_FWHM": 3.9})  # fmt: skip
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "m.psf")
    found = read(tmp_path / "m.psf", "Psf")
    assert (found.x0, found.y0, found.x_scale, found.y_scale, found.sampling) == (500, 300, 400, 250, 0.8)
    assert (found.n_stars, found.fwhm, found.chi2) == (55, 3.9, 1.1)
    np.testing.assert_allclose(found.basis, model(1).basis, atol=1e-8)


def merged_file(path: Path, names: list[str], **keys: Any) -> Path:
    """Write models of some detectors as the Legacy Surveys do, one row each, with keys as columns."""
    values = {"polnaxis": 2, "polngrp": 1, "poldeg1": 1, "polname1": "X_IMAGE", "polname2": "Y_IMAGE",
              "polzero1": 51.0, "polscal1": 40.0, "polzero2": 31.0, "polscal2": 20.0, "psf_samp": 1.0,
              "psfaxis1": 25, "psfaxis2": 25, "psf_fwhm": 4.0, "accepted": 70, "chi2": 1.0, "expnum": 12,
              **keys}  # fmt: skip
    columns = []
    for key, value in values.items():
        code = "K" if isinstance(value, int) else "D" if isinstance(value, float) else "10A"
        columns.append(fits.Column(key, code, array=[value] * len(names)))
    columns.append(fits.Column("ccdname", "3A", array=names))
    basis = model(1).basis
    # Both models have room for a higher degree.
    padded = np.zeros((len(names), 6, 25, 25))
    padded[:, :3] = basis
    columns.append(fits.Column("psf_mask", f"{6 * 625}E", dim="(25,25,6)", array=padded))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


def test_merged_files_have_a_model_per_row(tmp_path: Path) -> None:
    """Each row is a model with its detector and exposure; positions begin with 0."""
    models = read_psfex_models(merged_file(tmp_path / "m.fits", ["S4", "S9"]))
    assert [(m.detector_name, m.exposure) for m in models] == [("S4", 12), ("S9", 12)]
    psf = models[1].psf
    assert (psf.degree, psf.x0, psf.y0, psf.x_scale, psf.y_scale, psf.n_stars) == (1, 50, 30, 40, 20, 70)
    np.testing.assert_allclose(psf.basis, model(1).basis, atol=1e-8)


def test_a_file_of_several_models_is_no_dataset(tmp_path: Path) -> None:
    """A dataset has one model; the message names those that the file has."""
    path = merged_file(tmp_path / "m.fits", ["S4", "S9"])
    with pytest.raises(FileFormatError, match=r"2 PSFEx models \(S4, S9\)"):
        read(path, "Psf")


def test_a_model_of_other_things_than_position_is_refused(tmp_path: Path) -> None:
    """A model that depends on a magnitude cannot be used, and the message says on what it depends."""
    path = merged_file(tmp_path / "m.fits", ["S4"], polname2="MAG_AUTO")
    with pytest.raises(FileFormatError, match="not on X_IMAGE, MAG_AUTO"):
        read(path, "Psf")


def test_a_table_of_something_else_is_no_model(tmp_path: Path) -> None:
    """A FITS file without PSF_MASK is refused."""
    table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "t.fits")
    with pytest.raises(FileFormatError, match="no table in it has a column PSF_MASK"):
        read(tmp_path / "t.fits", "Psf")


@pytest.mark.skipif(not DECAM.exists(), reason="needs the exposures of ../shared/data/decam_cp")
def test_decam_models_have_the_width_that_they_claim() -> None:
    """The PSFEx models of six DECam exposures vary, and their size is about that of their stars."""
    for path in sorted((DECAM / "psfex").glob("*.fits")):
        [found] = read_psfex_models(path)
        psf = found.psf
        assert psf.degree == 2
        size = psf.computeShape(x=50, y=50) * 2 * math.sqrt(2 * math.log(2))
        assert size == pytest.approx(psf.fwhm, rel=0.25)
        corner = psf.computeKernelImage(x=2000, y=4000)
        assert np.abs(corner - psf.computeKernelImage(x=0, y=0)).max() > 1e-5
