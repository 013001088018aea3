"""docs/real_data.md: its commands take real exposures from files to coadds."""

from __future__ import annotations

import csv
import gzip
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

import butler.cli
import tasks.cli
from butler import Butler
from butler.images import PsfexPsf

ROOT = Path(__file__).parents[1]
DATA = ROOT / ".." / "shared" / "data"
PROGRAMS = {"butler": butler.cli.main, "pipetask": tasks.cli.main}

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the exposures of ../shared/data")


def commands(heading: str) -> list[list[str]]:
    """Return the words of the commands below a heading of the page."""
    page = (ROOT / "docs" / "real_data.md").read_text()
    section = page.split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.S) for line in block.splitlines()]
    return [shlex.split(line.replace("$DATA", str(DATA.resolve()))) for line in lines]


def run_page(heading: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the commands of a section in a directory; return what they said."""
    monkeypatch.chdir(folder)
    said = []
    for program, *words in commands(heading):
        result = CliRunner().invoke(PROGRAMS[program], words)
        assert result.exit_code == 0, f"{program} {' '.join(words)}: {result.output}"
        said.append(result.output)
    return "".join(said)


def test_decam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two visits a band are coadded, with the models, masks and zero points that lie beside the images."""
    said = run_page("DECam", tmp_path, monkeypatch)
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


def test_saao(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six frames of the crowded field are coadded; widths of the PSF follow those that others measured."""
    run_page("SAAO", tmp_path, monkeypatch)
    assert (tmp_path / "saao_I.png").stat().st_size > 1000
    with Butler("saao", collections="u/me/first") as opened:
        (ref,) = opened.query_datasets("deepCoadd")
        coadd = opened.get(ref)
        assert [row.visit for row in coadd.coaddInputs.visits] == [56, 61, 65, 70, 72, 77]
        rows = (DATA / "saao_mb13475" / "exposures.csv").read_text().splitlines()
        seeing = {int(row["file"][9:13]): float(row["fwhm_px"]) for row in csv.DictReader(rows)}
        ratios = [
            opened.get(calexp).metadata["SEEING"] / seeing[calexp.dataId["visit"]]
            for calexp in opened.query_datasets("calexp")
        ]
        # Their widths are those of a fit with wings: larger in each frame by about the same factor.
        assert ratios == pytest.approx([np.median(ratios)] * 6, rel=0.08)
