"""The commands of docs/real_data.md for exposures of DECam; `test_real_frames` has those for SAAO's."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from printed_commands import DATA, run_section

from butler import Butler
from butler.images import PsfexPsf

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the exposures of ../shared/data")


def test_decam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two visits a band are coadded, with the models, masks and zero points that lie beside the images."""
    monkeypatch.chdir(tmp_path)
    said = run_section("real_data.md", "DECam")
    assert "30 datasets ingested, 0 files were there already, 0 failed" in said
    assert (tmp_path / "decam_r.png").stat().st_size > 1000
    with gzip.open(DATA / "decam_cp" / "survey-ccds-1.fits.gz") as stream:
        known = {int(row["expnum"]): row for row in Table.read(stream, format="fits")}
    with Butler("decam", collections="u/me/first") as opened:
        for ref in opened.query_datasets("calexp"):
            calexp, row = opened.get(ref), known[ref.dataId["visit"]]
            zero_point = float(row["ccdzpt"]) + 2.5 * math.log10(float(row["exptime"]))
            assert calexp.metadata["MAGZP"] == pytest.approx(zero_point, abs=1e-6)
            assert isinstance(calexp.psf, PsfexPsf)
            quality = opened.get(
                "postISRCCD_quality", {**ref.dataId.required, "exposure": ref.dataId["visit"]}
            ).array
            assert calexp.mask.isSet("SAT")[(quality == 3) | (quality == 4)].all()
            assert calexp.mask.isSet("CR")[quality == 5].all()
            weight = opened.get(
                "postISRCCD_weight", {**ref.dataId.required, "exposure": ref.dataId["visit"]}
            ).array
            good = (weight > 0) & ~calexp.mask.isSet(["SAT", "CR", "BAD", "INTRP"])
            scale = 10 ** (-0.4 * (zero_point - 31.4))
            np.testing.assert_allclose(calexp.variance.array[good], scale**2 / weight[good], rtol=1e-4)
        coadds = {ref.dataId["band"]: opened.get(ref) for ref in opened.query_datasets("deepCoadd")}
        assert set(coadds) == {"g", "r", "z"}
        for coadd in coadds.values():
            assert len(coadd.coaddInputs.visits) == 2
            assert np.isfinite(coadd.image.array).sum() > 5000
