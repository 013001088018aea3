"""Plug-ins: formatters and storage classes of other distributions, good and broken ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from butler import Butler, DatasetRef, DatasetType, FileDataset, plugins
from butler.datasets import STORAGE_CLASSES, get_storage_class
from butler.errors import StorageClassError
from butler.formatters import get_formatter, is_known

MODULE = """
from butler.datasets import StorageClass
from butler.formatters import Formatter


class Spectrum:
    def __init__(self, fluxes):
        self.fluxes = list(fluxes)


class SpectrumFormatter(Formatter):
    name = "SpectrumText"
    extension = ".txt"

    def write(self, obj, path):
        path.write_text(" ".join(str(flux) for flux in obj.fluxes))

    def read_whole(self, path):
        return Spectrum(float(word) for word in path.read_text().split())


class Misnamed(SpectrumFormatter):
    name = "Another"


SPECTRUM = StorageClass(
    "Spectrum", Spectrum, formatter="SpectrumText", converters={"builtins:list": "spectra_package:Spectrum"}
)
"""
ENTRY_POINTS = """
[butler.formatters]
SpectrumText = spectra_package:SpectrumFormatter
Json = spectra_package:SpectrumFormatter
Misnamed = spectra_package:Misnamed
NoFormatter = spectra_package:SPECTRUM
Gone = spectra_package:Vanished

[butler.storage_classes]
Spectrum = spectra_package:SPECTRUM
ImageF = spectra_package:SPECTRUM
Text = spectra_package:MODULE_THAT_IS_NOT
"""


def install(folder: Path, name: str, entry_points: str, **modules: str) -> None:
    """Lay out a distribution as an installer does."""
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entry_points)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory of installed packages; what they add is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(STORAGE_CLASSES)
    yield folder
    for name in set(STORAGE_CLASSES) - before:
        del STORAGE_CLASSES[name]
    for module in ("spectra_package", "broken_package"):
        sys.modules.pop(module, None)
    forget()


def forget() -> None:
    """Have packages be looked for again, as a new process does."""
    importlib.invalidate_caches()
    plugins._declared.cache_clear()
    get_formatter.cache_clear()


@pytest.fixture
def spectra(site: Path) -> Path:
    install(site, "spectra-package", ENTRY_POINTS, spectra_package=MODULE)
    forget()
    return site


def test_datasets_of_a_plugin(spectra: Path, tmp_path: Path) -> None:
    """A repository keeps objects of another package's class in files of its formatter."""
    Butler.makeRepo(tmp_path / "r")
    with Butler(tmp_path / "r", run="run") as butler:
        dataset_type = DatasetType("spectrum", (), "Spectrum")
        butler.registry.registerDatasetType(dataset_type)
        butler.put([1.5, 2.5], "spectrum")
        assert butler.get("spectrum").fluxes == [1.5, 2.5]
        assert butler.getURI("spectrum").suffix == ".txt"
    forget()
    STORAGE_CLASSES.pop("Spectrum")
    # A process that comes later finds the package by the names that the repository has.
    with Butler(tmp_path / "r", collections="run") as butler:
        assert butler.get("spectrum").fluxes == [1.5, 2.5]


def test_ingest_with_a_formatter_of_a_plugin(spectra: Path, tmp_path: Path) -> None:
    """A file can be ingested with a formatter that a package declares."""
    Butler.makeRepo(tmp_path / "r")
    (tmp_path / "s.txt").write_text("1 2 3")
    with Butler(tmp_path / "r", run="run") as butler:
        ref = DatasetRef(DatasetType("spectrum", (), "Spectrum"), {}, "run")
        butler.ingest(FileDataset(tmp_path / "s.txt", ref, formatter="SpectrumText"), transfer="copy")
        assert butler.get("spectrum").fluxes == [1.0, 2.0, 3.0]


def test_what_is_declared_is_known_without_an_import(spectra: Path) -> None:
    """Names are known, and offered in errors, before anything of the package is imported."""
    assert is_known("SpectrumText")
    assert not is_known("spectra_package:SpectrumFormatter")
    with pytest.raises(StorageClassError, match="did you mean 'SpectrumText'"):
        get_formatter("SpectrumTxt")
    with pytest.raises(StorageClassError, match="did you mean 'Spectrum'"):
        get_storage_class("Spectrun")
    assert "spectra_package" not in sys.modules


def test_ours_cannot_be_replaced(spectra: Path) -> None:
    """A package that takes one of our names is not asked."""
    assert get_formatter("Json").extension == ".json"
    assert get_storage_class("ImageF").pixel_type == "f4"
    assert "spectra_package" not in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Misnamed", "its 'Misnamed' in butler.formatters calls itself 'Another'"),
        ("NoFormatter", "is spectra_package:SPECTRUM, which is no Formatter"),
        ("Gone", "its 'Gone' in butler.formatters cannot be loaded: AttributeError"),
    ],
)
def test_faults_name_the_package(spectra: Path, name: str, message: str) -> None:
    """A declaration that is wrong is an error with the package's name; its others work."""
    with pytest.raises(StorageClassError, match=f"package spectra-package: .*{message}"):
        get_formatter(name)
    assert get_formatter("SpectrumText").extension == ".txt"
    with pytest.raises(StorageClassError, match=r"package spectra-package: its 'Text' .* cannot be"):
        get_storage_class("Text")


@pytest.mark.parametrize(
    "text", ["import no_such_module", "1 / 0", "def f(:", "raise RuntimeError('on import')", "raise KeyError"]
)
def test_a_broken_package_harms_no_other(spectra: Path, text: str) -> None:
    """Whatever a module does on import, the error names its package, and others go on working."""
    groups = ("butler.formatters", "butler.storage_classes")
    points = "\n".join(f"[{group}]\nBroken = broken_package:F" for group in groups)
    install(spectra, "broken-package", points, broken_package=text)
    forget()
    for get in (get_formatter, get_storage_class):
        with pytest.raises(StorageClassError, match=r"package broken-package: its 'Broken' .* cannot be"):
            get("Broken")
    assert get_storage_class("Spectrum").formatter == "SpectrumText"
    assert get_formatter("SpectrumText").extension == ".txt"


def test_two_packages_of_one_name(spectra: Path) -> None:
    """A name that two packages declare is an error that names both."""
    install(spectra, "other-spectra", "[butler.formatters]\nSpectrumText = elsewhere:F\n")
    forget()
    with pytest.raises(StorageClassError, match="packages other-spectra and spectra-package both declare"):
        get_formatter("SpectrumText")


@pytest.mark.parametrize(
    "name", ["os:system", "spectra_package:SpectrumFormatter", "spectra_package", "", "../x"]
)
def test_no_name_is_an_import_path(spectra: Path, name: str) -> None:
    """What a repository calls a formatter or storage class is looked up, never imported."""
    for get in (get_formatter, get_storage_class):
        with pytest.raises(StorageClassError, match=r"^no "):
            get(name)
    assert "spectra_package" not in sys.modules
