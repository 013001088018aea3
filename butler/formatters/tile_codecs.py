"""From the compressed bytes of a FITS tile to its numbers."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FileFormatError

__all__ = ["CODECS", "decode_gzip", "decode_raw", "decode_tiles", "dequantized"]

CODECS: Final = ("GZIP_1", "GZIP_2", "NOCOMPRESS", "RICE_1", "RICE_ONE", "HCOMPRESS_1", "PLIO_1")
"""Values of ZCMPTYPE that are understood."""
_GZIP_MEMBER: Final = zlib.MAX_WBITS | 16
_N_RANDOM: Final = 10_000
_ZERO_VALUE: Final = -2_147_483_646
"""The integer that stands for exactly 0 under SUBTRACTIVE_DITHER_2."""


def decode_raw(data: bytes | memoryview, n_pixels: int, *, is_float: bool) -> NDArray[Any]:
    """Return numbers that are stored as they are; their size follows from how many there are.

    Raises
    ------
    FileFormatError
        Raised if the bytes are not so many numbers of 1, 2, 4 or 8 bytes.
    """
    item_size, rest = divmod(len(data), n_pixels)
    if rest or item_size not in (1, 2, 4, 8):
        raise FileFormatError(f"a tile of {n_pixels} pixels has {len(data)} bytes")
    kind = "u" if item_size == 1 else "f" if is_float and item_size > 2 else "i"
    return np.frombuffer(data, f">{kind}{item_size}")


def decode_gzip(
    data: bytes | memoryview, n_pixels: int, *, is_float: bool, shuffled: bool = False
) -> NDArray[Any]:
    """Return the numbers of a tile that is compressed with gzip.

    Parameters
    ----------
    data
        The compressed bytes.
    n_pixels
        Number of pixels of the tile; no more is ever unpacked than they can take.
    is_float
        Whether numbers of 4 or 8 bytes are floats.
    shuffled
        Whether the first bytes of all numbers come first, then the second ones... (GZIP_2).

    Raises
    ------
    FileFormatError
        Raised if the bytes are broken or hold another number of pixels.
    """
    unpacker = zlib.decompressobj(_GZIP_MEMBER)
    try:
        plain = unpacker.decompress(data, 8 * n_pixels + 1)
    except zlib.error as error:
        raise FileFormatError(f"a compressed tile is broken: {error}") from error
    if not unpacker.eof:
        raise FileFormatError(f"a compressed tile is cut short, or holds more than its {n_pixels} pixels")
    if shuffled and len(plain) % n_pixels == 0:
        plain = np.frombuffer(plain, np.uint8).reshape(-1, n_pixels).T.tobytes()
    return decode_raw(plain, n_pixels, is_float=is_float)


def decode_tiles(
    tiles: Sequence[bytes | memoryview],
    shape: tuple[int, int],
    codec: str,
    *,
    bitpix: int,
    options: Mapping[str, float],
) -> NDArray[Any]:
    """Return the numbers of tiles of one size.

    Those codecs that Python does not have are left to astropy, which is given a file of only these tiles.

    Parameters
    ----------
    tiles
        Compressed bytes of each tile.
    shape
        Size of every tile, ``(n_y, n_x)``.
    codec
        One of `CODECS`.
    bitpix
        FITS type of the numbers.
    options
        Parameters of the codec.

    Returns
    -------
    numbers
        ``(n_tiles, n_y, n_x)``.

    Raises
    ------
    FileFormatError
        Raised if a tile is broken.
    """
    n_pixels = shape[0] * shape[1]
    if codec == "NOCOMPRESS":
        numbers = [decode_raw(tile, n_pixels, is_float=bitpix < 0) for tile in tiles]
    elif codec.startswith("GZIP"):
        shuffled = codec == "GZIP_2"
        numbers = [decode_gzip(tile, n_pixels, is_float=bitpix < 0, shuffled=shuffled) for tile in tiles]
    else:
        return _decode_with_astropy(tiles, shape, codec, bitpix, options)
    return np.stack(numbers).reshape(-1, *shape)


def _decode_with_astropy(
    tiles: Sequence[bytes | memoryview],
    shape: tuple[int, int],
    codec: str,
    bitpix: int,
    options: Mapping[str, float],
) -> NDArray[Any]:
    """Have astropy read a file in which the tiles lie on top of each other."""
    from astropy.io import fits

    unit, letter = (2, "I") if codec == "PLIO_1" else (1, "B")
    sizes = np.array([len(tile) for tile in tiles])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    descriptors = np.stack([sizes // unit, starts], axis=1).astype(">i8").tobytes()
    cards: dict[str, Any] = {
        "XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": 16, "NAXIS2": len(tiles),
        "PCOUNT": int(sizes.sum()), "GCOUNT": 1, "TFIELDS": 1, "TTYPE1": "COMPRESSED_DATA",
        "TFORM1": f"1Q{letter}({int(sizes.max()) // unit})", "ZIMAGE": True, "ZCMPTYPE": codec,
        "ZBITPIX": bitpix, "ZNAXIS": 2, "ZNAXIS1": shape[1], "ZNAXIS2": shape[0] * len(tiles),
        "ZTILE1": shape[1], "ZTILE2": shape[0],
    }  # fmt: skip
    for number, (name, value) in enumerate(options.items(), start=1):
        cards |= {f"ZNAME{number}": name, f"ZVAL{number}": value}
    primary = fits.PrimaryHDU().header.tostring().encode("ascii")
    table = fits.Header(cards).tostring().encode("ascii") + descriptors + b"".join(tiles)
    file = io.BytesIO((primary + table).ljust(-(-len(primary + table) // 2880) * 2880, b"\0"))
    try:
        with fits.open(file) as hdus:
            return np.asarray(hdus[1].data).reshape(len(tiles), *shape)
    except (ValueError, TypeError, OSError, LookupError, RuntimeError) as error:
        raise FileFormatError(f"a tile compressed with {codec} is broken: {error}") from error


def dequantized(
    numbers: NDArray[Any], *, scale: float, zero: float, blank: float | None, quantizer: str, seed: int
) -> NDArray[np.float64]:
    """Return the floats that the integers of one tile stand for (FITS 4.0, section 10.2 and appendix I).

    Parameters
    ----------
    numbers
        Integers of the tile.
    scale, zero
        A float is ``integer * scale + zero``, before dithering.
    blank
        The integer that stands for NaN.
    quantizer
        ``NO_DITHER``, ``SUBTRACTIVE_DITHER_1`` or ``SUBTRACTIVE_DITHER_2``.
    seed
        ZDITHER0 plus the 0-based number of the tile.
    """
    values = numbers.astype(np.float64)
    if quantizer.startswith("SUBTRACTIVE_DITHER"):
        values += 0.5 - _dither(numbers.size, seed).reshape(numbers.shape)
    values = values * scale + zero
    if quantizer == "SUBTRACTIVE_DITHER_2":
        values[numbers == _ZERO_VALUE] = 0.0
    if blank is not None:
        values[numbers == blank] = np.nan
    return values


def _dither(n_pixels: int, seed: int) -> NDArray[np.float64]:
    """Return the random numbers that were taken off the pixels of a tile."""
    random = _random_numbers()
    chunks, length, index = [], 0, (seed - 1) % _N_RANDOM
    while length < n_pixels:
        chunk = random[int(random[index] * 500) :]
        chunks.append(chunk)
        length += len(chunk)
        index = (index + 1) % _N_RANDOM
    return np.concatenate(chunks)[:n_pixels]


@cache
def _random_numbers() -> NDArray[np.float64]:
    """Return the sequence that the FITS standard fixes (Park & Miller 1988), in single precision."""
    state, values = 1, []
    for _ in range(_N_RANDOM):
        state = 16807 * state % 2_147_483_647
        values.append(state / 2_147_483_647)
    return np.array(values, dtype=np.float32).astype(np.float64)
