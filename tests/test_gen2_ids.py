"""Data IDs of Gen2 command lines: how they are read, and what they mean in a repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import fill_repository

from butler import Butler
from tasks.cli.gen2.arguments import Gen2Parser, Request
from tasks.cli.gen2.id_keys import IMAGE_KEYS, PATCH_KEYS, IdKeys
from tasks.cli.gen2.id_option import IdOption

PARSER = Gen2Parser("assembleCoadd", "", selects=True, meta=True)


def expanded(text: str) -> list[dict[str, str | int]]:
    return list(IdOption.parse("--id", text.split()).expanded())


@pytest.mark.parametrize(
    ("words", "data_ids"),
    [
        ("", [{}]),
        ("visit=1", [{"visit": "1"}]),
        (
            "visit=1^2 ccd=1,1^2,2",
            [{"visit": v, "ccd": c} for v, c in (("1", "1,1"), ("1", "2,2"), ("2", "1,1"), ("2", "2,2"))],
        ),
        ("ccd=0^2..4^7..9", [{"ccd": n} for n in ("0", 2, 3, 4, 7, 8, 9)]),
        ("ccd=1..5:2", [{"ccd": n} for n in (1, 3, 5)]),
        ("ccd=1..6:2", [{"ccd": n} for n in (1, 3, 5)]),
        ("ccd=007..009", [{"ccd": n} for n in (7, 8, 9)]),
        ("ccd=-1..3", [{"ccd": "-1..3"}]),
        ("ccd=1.5..3", [{"ccd": "1.5..3"}]),
        ("ccd=1^1", [{"ccd": "1"}, {"ccd": "1"}]),
        ("field=a=b", [{"field": "a=b"}]),
        (
            "patch=5,4^5,5 tract=0 filter=HSC-I",
            [{"patch": p, "tract": "0", "filter": "HSC-I"} for p in ("5,4", "5,5")],
        ),
    ],
)
def test_words_expand_as_in_gen2(words: str, data_ids: list[dict[str, Any]]) -> None:
    """Values are joined by ^, ranges include their ends, the last key changes fastest."""
    assert expanded(words) == data_ids
    assert IdOption.parse("--id", words.split()).count() == len(data_ids)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("visit=1 visit=2", "visit twice"),
        ("visit", "KEY=VALUE"),
        ("visit=", "KEY=VALUE"),
        ("visit=1^", "KEY=VALUE"),
        ("=1", "KEY=VALUE"),
        ("ccd=5..1", "empty"),
        ("ccd=1..5:0", "empty"),
        ("ccd=100--selectId", "a blank is missing in 'ccd=100--selectId': write 'ccd=100 --selectId'"),
    ],
)
def test_words_that_cannot_be(words: str, message: str) -> None:
    """They are refused, and it is said what is wrong."""
    with pytest.raises(click.UsageError) as error:
        IdOption.parse("--id", words.split(), ["--id", "--selectId"])
    assert message in str(error.value)


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 30), min_size=1, max_size=4)))
@settings(deadline=None, max_examples=50)
def test_an_option_is_the_product_of_its_values(values: dict[str, list[int]]) -> None:
    """Nested loops over the values give the same data IDs in the same order."""
    found = expanded(" ".join(f"{key}={'^'.join(map(str, numbers))}" for key, numbers in values.items()))
    product: list[dict[str, str | int]] = [{}]
    for key, numbers in values.items():
        product = [{**before, key: str(number)} for before in product for number in numbers]
    assert found == product


def test_a_large_range_is_not_expanded() -> None:
    """A range stays one, however many numbers it has."""
    option = IdOption.parse("--id", ["visit=1..999999999999:2"])
    assert option.count() == 500_000_000_000
    assert str(option) == "--id visit=1..999999999999:2"


def read(text: str) -> Request:
    return PARSER.read(["repo", *text.split()])


def test_options_are_read_in_any_order_and_meta_options_anywhere() -> None:
    """Repeated options add up; a meta option in the middle of a data ID does not end it."""
    request = read("--id patch=5,4 --legacyCoadd tract=0 --selectId visit=1 -j2 --selectId --id")
    assert [str(option) for option in request.ids] == ["--id patch=5,4 tract=0", "--id"]
    assert [str(option) for option in request.select_ids] == ["--selectId visit=1", "--selectId"]
    assert request.meta == {"--legacyCoadd"}
    assert request.processes == 2
    assert request.runs
    assert not read("--show config data").runs
    assert read("--show config --show run").runs


def test_words_from_a_file(tmp_path: Path) -> None:
    """@FILE stands for words: quotes hold, # begins a comment, empty lines do not matter."""
    path = tmp_path / "words.txt"
    path.write_text("--id visit=1 # the first\n\n'field=M 31'  ccd=1..2\n--legacyCoadd\n-c a='b c'\n")
    request = read(f"@{path} --doraise")
    assert [option.values for option in request.ids] == [
        {"visit": ("1",), "field": ("M 31",), "ccd": (range(1, 3),)}
    ]
    assert request.edits == (("config", "a=b c"),)
    assert request.doraise
    assert request.meta == {"--legacyCoadd"}


def test_settings_keep_their_order() -> None:
    """-c and -C stay in the order in which they were typed, several words each."""
    request = read("-c a=1 b=2 -C f.yaml --config c=3 --configfile g.py h.py")
    kinds = {"config": "-c", "config_file": "-C"}
    told = [f"{kinds[kind]} {word}" for kind, word in request.edits]
    assert told == ["-c a=1", "-c b=2", "-C f.yaml", "-c c=3", "-C g.py", "-C h.py"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--clobber-c", "no option '--clobber-c'; did you mean '--clobber-config'?"),
        ("--selectID visit=1", "did you mean '--selectId'?"),
        ("--doraise visit=1", "'visit=1' belongs to no option"),
        ("-j 0", "it must be 1 or more, not '0'"),
        ("-t soon", "soon"),
        ("--quantum-timeout 0", "it must be a number above 0, not '0'"),
        ("-L 10", "no log level '10'; give one of trace, debug, info"),
        ("--rerun a --output b", "not allowed with"),
        ("--legacyCoadd --warpCompareCoadd", "give one of"),
        ("-c", "expected at least one argument"),
        ("@none", "none"),
    ],
)
def test_command_lines_that_cannot_be(text: str, message: str) -> None:
    """There are no abbreviations, and what is wrong is told."""
    with pytest.raises(click.UsageError) as error:
        read(text)
    assert message in str(error.value)


@pytest.fixture(scope="module")
def butler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Butler]:
    root = tmp_path_factory.mktemp("ids") / "repo"
    Butler.makeRepo(root)
    fill_repository(root)
    with Butler(root, writeable=True) as butler:
        butler.put({"n": 1}, "note", instrument="CAM", visit=2, run="run")
        yield butler


def keys_of(butler: Butler, **names: str) -> IdKeys:
    return IdKeys(butler, ["run"], **names)


def visits(butler: Butler, *options: str) -> list[tuple[Any, Any]]:
    """Return visits and detectors that options choose."""
    keys = keys_of(butler)
    ids = [IdOption.parse("--id", option.split()) for option in options]
    terms = [keys.place(on_sky_map=False), keys.condition(ids, IMAGE_KEYS)]
    found = butler.query_data_ids(
        ("visit", "detector"), where=" AND ".join(filter(None, terms)), bind=keys.bind, explain=False
    )
    return sorted((row["visit"], row["detector"]) for row in found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [(v, d) for v in (1, 2, 3) for d in (0, 1)]),
        (("",), [(v, d) for v in (1, 2, 3) for d in (0, 1)]),
        (("visit=1 ccd=1",), [(1, 1)]),
        (("visit=1..3:2 ccd=0",), [(1, 0), (3, 0)]),
        (("visit=1 ccd=0", "visit=2 ccd=1"), [(1, 0), (2, 1)]),
        (("visit=1", ""), [(v, d) for v in (1, 2, 3) for d in (0, 1)]),
        (("filter=CAM-r",), [(2, 0), (2, 1)]),
        (("filter=g ccd=0",), [(1, 0), (3, 0)]),
        (("field=M31^M33 detector=1",), [(1, 1), (2, 1)]),
        (("dateObs=2024-01-02 ccd=0",), [(3, 0)]),
        (("dateObs=20240101 ccd=0",), [(1, 0), (2, 0)]),
        (("expTime=45.5^60 ccd=1",), [(2, 1), (3, 1)]),
        (("dataset=note",), [(2, 0), (2, 1)]),
    ],
)
def test_keys_choose_images(butler: Butler, options: tuple[str, ...], expected: list[Any]) -> None:
    """Keys of an option hold together, options are alternatives, an empty one is everything."""
    assert visits(butler, *options) == expected


@pytest.mark.parametrize(
    ("option", "patches"),
    [
        ("tract=0 patch=1,0 filter=g", [1]),
        ("tract=0 patch=0,0^1,0 filter=g", [0, 1]),
        ("tract=0 patch=1 filter=g", [1]),
        ("tract=0 patch=0..1 filter=g", [0, 1]),
        ("tract=0..0 patch=0,0 filter=g", [0]),
        ("tract=0 filter=g", [0, 1]),
        ("filter=g", [0, 1]),
    ],
)
def test_patches_are_numbered_along_rows(butler: Butler, option: str, patches: list[int]) -> None:
    """x,y becomes the number of the patch in its tract; a number is taken as it is."""
    keys = keys_of(butler)
    parsed = IdOption.parse("--id", option.split())
    where = f"{keys.place(on_sky_map=True)} AND {keys.condition([parsed], PATCH_KEYS)}"
    found = butler.query_data_ids(("tract", "patch", "band"), where=where, bind=keys.bind)
    assert sorted(row["patch"] for row in found) == patches
    told = [wanted for wanted in parsed.expanded() if any(keys.fits(wanted, row) for row in found)]
    assert len(told) == parsed.count()


@pytest.mark.parametrize(
    ("option", "allowed", "message"),
    [
        ("cdd=1", IMAGE_KEYS, "did you mean 'ccd'?"),
        ("tract=0", IMAGE_KEYS, "makes no sense here"),
        ("visit=1", PATCH_KEYS, "makes no sense here"),
        ("pointing=17", IMAGE_KEYS, "no counterpart"),
        ("visit=one", IMAGE_KEYS, "visit is an integer"),
        ("ccd=-1..3", IMAGE_KEYS, "ccd is an integer"),
        ("expTime=long", IMAGE_KEYS, "expTime is a number"),
        ("field=1..3", IMAGE_KEYS, "takes single values"),
        ("filter=CAM-g2", IMAGE_KEYS, "did you mean 'CAM-g'?"),
        ("dataset=notes", IMAGE_KEYS, "note"),
        ("dataset=calexp", IMAGE_KEYS, "there is no dataset 'calexp'"),
        ("patch=0,0", PATCH_KEYS, "a patch but no tract"),
        ("tract=0 patch=2,0", PATCH_KEYS, "x is 0..1, y is 0..0"),
        ("tract=0 patch=1,1", PATCH_KEYS, "x is 0..1, y is 0..0"),
        ("tract=1 patch=0,0", PATCH_KEYS, "no tract 1, only 0..0"),
        ("tract=0..3 patch=0,0", PATCH_KEYS, "no tract 3, only 0..0"),
        ("tract=0 patch=1,0,0", PATCH_KEYS, "column and row"),
    ],
)
def test_keys_and_values_that_cannot_be(
    butler: Butler, option: str, allowed: frozenset[str], message: str
) -> None:
    """They are refused with what could be instead."""
    with pytest.raises((click.UsageError, LookupError)) as error:
        keys_of(butler).condition([IdOption.parse("--id", option.split())], allowed)
    assert message in str(error.value)


def test_texts_are_bound_and_never_pasted(butler: Butler) -> None:
    """A text that would end a condition is only a value."""
    keys = keys_of(butler)
    condition = keys.condition([IdOption.parse("--id", ["field=' OR 1=1 --"])], IMAGE_KEYS)
    assert "1=1" not in condition
    assert ["' OR 1=1 --"] in keys.bind.values()
    assert visits(butler, "field='_OR_1=1") == []


def test_instrument_and_sky_map_that_are_not_there(butler: Butler, tmp_path: Path) -> None:
    """Nearest names are told; one of several has to be named."""
    Butler.makeRepo(tmp_path / "empty")
    with Butler(tmp_path / "empty", writeable=True) as empty:
        with pytest.raises(click.UsageError, match="no instrument yet"):
            keys_of(empty).place(on_sky_map=False)
        empty.registry.insertDimensionData("instrument", {"name": "A"}, {"name": "B"})
        with pytest.raises(click.UsageError, match="A, B; choose with --instrument"):
            keys_of(empty).place(on_sky_map=False)
        keys = keys_of(empty, instrument="B")
        assert (keys.place(on_sky_map=False), keys.bind) == ("instrument = :gen2_0", {"gen2_0": "B"})
    with pytest.raises(click.UsageError, match="did you mean 'CAM'"):
        keys_of(butler, instrument="CAN").place(on_sky_map=False)
    with pytest.raises(LookupError, match="did you mean 'sky'"):
        keys_of(butler, sky_map_name="sk").place(on_sky_map=True)
