"""Hostile files: YAML that would run or explode, headers that lie, and a registry that points outside."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from repository_snapshot import REGISTRY, snapshot
from small_repository import fill_repository, make_exposure
from stored_files import read_camera, write
from test_broken_files import SIZE_CARDS, WCS_CARDS, raw_fits
from trust_scale import count

from butler import Butler
from butler.cli import main
from butler.errors import ButlerError, ButlerUserError, FileFormatError
from butler.formatters import FileLayout, get_formatter
from butler.ingest import CameraMapping
from butler.safe_yaml import load_yaml
from connections import Pipeline

pytestmark = [
    pytest.mark.trust,
    pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning"),
]

SENTINEL = "created-by-hostile-yaml"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
)
YAML = {
    "runs a command": f"!!python/object/apply:os.system ['touch {SENTINEL}']",
    "runs a command in a value": f"version: !!python/object/apply:os.system ['touch {SENTINEL}']",
    "names code": "version: !!python/name:os.system",
    "imports": "version: !!python/module:antigravity",
    "makes an object": "version: !!python/object/new:os.system [1]",
    "alias bomb": BOMB,
    "alias bomb of templates": BOMB.replace("a: ", "templates: ", 1),
    "contains itself": "&a [*a]",
    "contains itself as a value": "&a {version: *a}",
    "merge bomb": "m0: &m0 {a: 1}\n" + "".join(
        f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 9)
    ),
    "nested lists": "[" * 100_000 + "]" * 100_000,
    "nested mappings": "{a: " * 20_000 + "}" * 20_000,
    "nested blocks": "\n".join(" " * n + "a:" for n in range(1_000)),
    "long integer": "version: " + "9" * 100_000,
    "impossible date": "version: 2001-02-31 00:00:00",
    "text tagged as integer": "version: !!int abc",
    "text tagged as truth": "version: !!bool maybe",
    "text tagged as number": "version: !!float abc",
    "broken binary": "version: !!binary '***'",
    "list as a key": "{[a]: b}",
    "NUL": "version: \0",
    "unknown alias": "version: *nowhere",
    "unfinished": "version: [1,",
    "foreign code": "cls: os.system\nregistry: {managers: {collections: subprocess.Popen}}",
    "foreign datastore": "datastore: {cls: os.system, root: <butlerRoot>}",
    "formatter code": "templates: {default: '{run}/{id}'}\nformatters: {Exposure: os.system}",
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a note, an exposure, and an empty run."""
    root = tmp_path_factory.mktemp("template") / "repository"
    Butler.makeRepo(root)
    fill_repository(root)
    with Butler(root, run="run", instrument="CAM") as butler:
        butler.put({"n": 1}, "note", visit=1)
        butler.put(make_exposure(), "calexp", visit=1, detector=0)
    return root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the current directory of a test, in which nobody has run code afterwards."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / SENTINEL).exists()


def read_settings(root: Path, text: str) -> None:
    (root / "butler.yaml").write_text(text, encoding="utf-8")
    Butler(root).close()


def read_import(root: Path, text: str) -> None:
    with Butler(root, writeable=True) as butler:
        butler.import_(filename=io.StringIO(text))


def read_file(load: Callable[[Path], object]) -> Callable[[Path, str], None]:
    """Return what writes a text beside the repository and reads it."""

    def read(root: Path, text: str) -> None:
        path = root.parent / "hostile.yaml"
        path.write_text(text, encoding="utf-8")
        load(path)

    return read


READERS: dict[str, Callable[[Path, str], None]] = {
    "butler.yaml": read_settings,
    "export.yaml": read_import,
    "camera mapping": read_file(CameraMapping.load),
    "pipeline": read_file(Pipeline.from_file),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", YAML)
def test_yaml(template: Path, here: Path, reader: str, name: str) -> None:
    """No file is executed, and none takes more time or memory than it has; each is one clear error."""
    root = shutil.copytree(template, here / "repository")
    before = snapshot(root)
    with pytest.raises(ButlerUserError) as caught:
        READERS[reader](root, YAML[name])
    assert "\n" not in str(caught.value)
    after = snapshot(root) if reader != "butler.yaml" else before
    assert after == before


@pytest.mark.parametrize("name", YAML)
def test_yaml_of_commands(template: Path, here: Path, name: str) -> None:
    """Commands that read YAML say so in one line."""
    root = shutil.copytree(template, here / "repository")
    (here / "hostile.yaml").write_text(YAML[name], encoding="utf-8")
    for words in (
        ("create", "fresh", "--override", f"checksum={YAML[name]}"),
        ("register-skymap", str(root), "-C", "hostile.yaml"),
        ("ingest-exposures", str(root), "hostile.yaml", "--camera", "hostile.yaml"),
        ("import", str(root), ".", "--export-file", "hostile.yaml"),
    ):
        before = snapshot(root)
        result = CliRunner().invoke(main, words)
        assert isinstance(result.exception, SystemExit), (words[0], repr(result.exception))
        assert result.exit_code in (1, 2)
        assert "Traceback" not in result.output
        assert snapshot(root) == before


@given(text=st.text(st.sampled_from("ab:[]{}&*!<>|-?,'\"#%@\n \t0.~"), max_size=60))
@example(text="? [a]\n: {b: *c}")
@settings(deadline=None, max_examples=count(sample=200, full=20_000))
def test_any_yaml_is_values_or_an_error(text: str) -> None:
    """Whatever a text is, reading it gives values, or one error."""
    with suppress(FileFormatError):
        load_yaml(text, "hostile.yaml")


# Headers.


@pytest.mark.parametrize(
    "change",
    [
        {"NAXIS1": "1000000000", "NAXIS2": "1000000000"},
        {"NAXIS1": "9" * 40},
        {"BITPIX": "-64", "NAXIS1": "4000000000000000000", "NAXIS2": "4"},
        {"GCOUNT": "1000000000000000000"},
        {"PCOUNT": "-1000000000000000000"},
        {"NAXIS": "3", "NAXIS3": "1000000000000000000"},
    ],
    ids=str,
)
def test_headers_that_promise_much(tmp_path: Path, change: dict[str, str]) -> None:
    """A header that promises up to 1e18 pixels in a small file is refused before memory is taken."""
    cards = {card[:8].strip(): card for card in [*SIZE_CARDS, *WCS_CARDS]}
    cards |= {key: f"{key:<8}= {value}" for key, value in change.items()}
    path = tmp_path / "h.fits"
    path.write_bytes(raw_fits(list(cards.values()), bytes(24)))
    with pytest.raises(FileFormatError, match=r"h\.fits"):
        read_camera(path)


@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20),
    cut=st.none() | st.floats(0, 1),
)
@settings(
    deadline=None,
    max_examples=count(sample=60, full=4_000),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(changes=[(0.8361284063860808, 33)], cut=None)  # a column's name without its closing quote
def test_damaged_exposures(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]], cut: float | None
) -> None:
    """An exposure of which bytes were changed or cut off is read as something, or is one error."""
    folder = tmp_path_factory.getbasetemp()
    original = folder / "original.fits"
    if not original.exists():
        write(make_exposure(), original, "ExposureF")
    content = bytearray(original.read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    path = folder / "damaged.fits"
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    for formatter in ("ExposureFits", "CameraImageFits"):
        with suppress(FileFormatError):
            get_formatter(formatter).read_whole(path)


# A registry that somebody else wrote.

PATHS = [
    "../../../../etc/passwd",
    "run/../../x",
    "",
    "\0",
    "/nowhere/\0",
    "run",
    "x" * 5_000,
    "/etc/hostname",
    "..",
]
LAYOUTS = [
    "{", "[]", '{"image": 1}', "[" * 100_000, '{"a":' * 50_000, "9" * 5_000, '{"__class__": {}}', "null",
    '{"image": {"dtype": ">f4", "n_x": 1000000000, "n_y": 1000000000}}',
    '{"image": {"dtype": "O", "n_x": 1, "n_y": 1}}', '{"image": {"dtype": ">f4", "n_x": -1, "n_y": -1}}',
    '{"image": {"dtype": ">f4", "n_x": 17, "n_y": 12, "offset": 99999999999999999999}}',
    '{"image": {"dtype": ">f4", "n_x": 17, "n_y": 12, "offset": -8}}',
    '{"image": {"dtype": ">f4", "n_x": 1e400, "n_y": 12}}', '{"image": {"dtype": ">f4", "tiles": {}}}', '""',
    '{"mask": {"dtype": ">i4", "n_x": 17, "n_y": 12, "mask_planes": {"A": 99}}}',
]  # fmt: skip


def poison(root: Path, table: str, column: str, value: str) -> None:
    """Write a value into all rows of a table, past all checks."""
    with closing(sqlite3.connect(root / REGISTRY)) as connection, connection:
        connection.execute(f'UPDATE OR IGNORE "{table}" SET "{column}" = ?', [value])


def use(root: Path, out: Path) -> list[str]:
    """Do what users do with stored datasets; return the errors that they see."""
    told = []
    with Butler(root, instrument="CAM") as butler:
        acts: list[Callable[[], object]] = [
            lambda: butler.get("note", visit=1, collections="run"),
            lambda: butler.get("calexp", visit=1, detector=0, collections="run"),
            lambda: butler.get("calexp.mask", visit=1, detector=0, collections="run"),
            lambda: butler.exists("note", visit=1, collections="run"),
            lambda: butler.getURI("note", visit=1, collections="run"),
            lambda: butler.retrieveArtifacts(butler.query_datasets("note", "run"), out, overwrite=True),
            lambda: butler.collections.query_info("*"),
            butler.verify,
        ]
        for act in acts:
            try:
                act()
            except ButlerError as error:
                told.append(str(error))
    return told


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path[:20]))
def test_recorded_paths_that_lead_elsewhere(template: Path, tmp_path: Path, path: str) -> None:
    """Nothing outside is read as a dataset, overwritten or removed; verify goes on to the end."""
    root = shutil.copytree(template, tmp_path / "repository")
    outside = tmp_path / "x"
    outside.write_text("mine")
    poison(root, "file_record", "path", path)
    assert use(root, tmp_path / "out")
    with Butler(root, writeable=True) as butler:
        butler.verify(repair=True)
        assert butler.verify().is_clean
    assert outside.read_text() == "mine"
    assert Path("/etc/hostname").exists()
    assert all(found.is_relative_to(tmp_path) for found in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: ascii(layout[:30]))
def test_recorded_layouts_that_lie(template: Path, tmp_path: Path, layout: str) -> None:
    """A layout that no datastore wrote is one error, whatever it promises."""
    root = shutil.copytree(template, tmp_path / "repository")
    poison(root, "file_format", "layout", layout)
    assert use(root, tmp_path / "out")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("file_format", "formatter"),
        ("dataset_type", "storage_class"),
        ("dataset_type", "name"),
        ("dataset_type", "dimensions"),
        ("collection", "type"),
        ("file_record", "size"),
        ("butler_attributes", "value"),
    ],
)
@pytest.mark.parametrize("value", ["os.system", "subprocess:Popen", "", "\x1b[31m", "x" * 10_000])
def test_recorded_names_of_foreign_code(
    template: Path, tmp_path: Path, table: str, column: str, value: str
) -> None:
    """A name in a registry is looked up among those that are known, and never imported."""
    root = shutil.copytree(template, tmp_path / "repository")
    poison(root, table, column, value)
    try:
        told = use(root, tmp_path / "out")
    except ButlerError as error:
        told = [str(error)]
    assert told or column == "name" or not value
    assert all(len(message) < 3_000 for message in told)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["image", "mask", "offset", "n_x", "n_y", "dtype", "tiles", "columns"]), inner
    ),
    max_leaves=12,
)  # fmt: skip


@given(values=JSON)
@settings(deadline=None, max_examples=count(sample=200, full=20_000))
def test_any_json_is_a_layout_or_an_error(values: object) -> None:
    """Whatever a text is, it is a layout that can be written again, or one error."""
    try:
        layout = FileLayout.from_json(json.dumps(values))
    except FileFormatError:
        return
    assert FileLayout.from_json(layout.to_json()) == layout
