"""SkyRegion: an area of the sky, in the geometry and the byte encoding of lsst.sphgeom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from lsst.sphgeom import (
    Angle,
    Box,
    Circle,
    CompoundRegion,
    ConvexPolygon,
    Ellipse,
    IntersectionRegion,
    LonLat,
    Region,
    UnitVector3d,
    orientation,
)
from numpy.typing import ArrayLike, NDArray

from .footprints import box_outline, footprints
from .hulls import hull_of, quadrilaterals, unit_vectors
from .outlines import outline_of

if TYPE_CHECKING:
    from ..images import Box2I, SkyWcs

__all__ = ["SkyRegion"]

# Nested unions are decoded by recursion, so the stack limits what may be decoded.
_MAX_ENCODED_BYTES: Final = 65536

# lsst.sphgeom takes circles less than about 6e-8 apart for touching; their boxes must not part them.
_BOX_PADDING: Final = 1e-7


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SkyRegion:
    """An area of the sky: a convex polygon, circle, box, ellipse, or a union or intersection of these.

    Made by the named constructors only. Angles are ICRS degrees.

    Notes
    -----
    Two regions are equal if their encodings are. The same area built in two ways may differ in the last bits
    of a vertex and then is not equal.
    """

    _region: Region

    @classmethod
    def from_polygon(cls, ra: ArrayLike, dec: ArrayLike) -> SkyRegion:
        """Make the convex hull of points.

        Parameters
        ----------
        ra, dec
            Positions in any order, degrees; at least three.

        Raises
        ------
        ValueError
            Raised if there are fewer than three points, if one is not a position, if all lie on one great
            circle, or if no hemisphere holds them all.
        """
        return cls(hull_of(unit_vectors(ra, dec)))

    @classmethod
    def from_circle(cls, ra: float, dec: float, radius: float) -> SkyRegion:
        """Make a circle; a negative radius makes an empty region.

        Raises
        ------
        ValueError
            Raised if the centre is not a position or the radius not finite.
        """
        (center,) = unit_vectors([ra], [dec])
        if not np.isfinite(radius):
            raise ValueError(f"the radius of a circle must be a finite number of degrees, not {radius}")
        return cls(
            Circle(center, Angle.fromDegrees(min(float(radius), 180.0))) if radius >= 0 else Circle.empty()
        )

    @classmethod
    def from_box(cls, ra: float, dec: float, width: float, height: float) -> SkyRegion:
        """Make a box with edges along meridians and parallels.

        Parameters
        ----------
        ra, dec
            Centre, degrees.
        width
            Full width in degrees of right ascension (not multiplied by the cosine of the declination); 360 or
            more is the full circle.
        height
            Full height in degrees; what would lie beyond a pole is cut off. A negative side makes an empty
            region.

        Raises
        ------
        ValueError
            Raised if the centre is not a position or a side not finite.
        """
        (center,) = unit_vectors([ra], [dec])
        if not np.all(np.isfinite([width, height])):
            raise ValueError(
                f"the sides of a box must be finite numbers of degrees, not {width} and {height}"
            )
        return cls(Box(LonLat(center), Angle.fromDegrees(width / 2), Angle.fromDegrees(height / 2)))

    @classmethod
    def from_point(cls, ra: float, dec: float) -> SkyRegion:
        """Make the region that holds one position, a circle of radius 0; it overlaps what contains it.

        Raises
        ------
        ValueError
            Raised if it is not a position.
        """
        return cls.from_circle(ra, dec, 0.0)

    @classmethod
    def from_pos(cls, text: str) -> SkyRegion:
        """Read the text of a region: ``CIRCLE ra dec r``, ``POLYGON ra dec ...``, ``RANGE ra ra dec dec``.

        Raises
        ------
        ValueError
            Raised if it is no such text (POS of the IVOA recommendation SIA 2.0), or no region.
        """
        shape, *words = text.split() or [""]
        if shape not in ("CIRCLE", "POLYGON", "RANGE"):
            raise ValueError(f"a region begins with CIRCLE, POLYGON or RANGE, not {shape!r}")
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            raise ValueError(f"{shape} is followed by numbers, not {' '.join(words)!r}") from None
        if shape == "POLYGON":
            if len(numbers) % 2:
                raise ValueError(f"POLYGON takes pairs of numbers, not {len(numbers)} of them")
            return cls.from_polygon(numbers[::2], numbers[1::2])
        if len(numbers) != {"CIRCLE": 3, "RANGE": 4}[shape]:
            raise ValueError(f"{shape} takes {3 if shape == 'CIRCLE' else 4} numbers, not {len(numbers)}")
        if shape == "CIRCLE":
            return cls.from_circle(*numbers)
        low, high = sorted(numbers[2:])
        if np.any(np.isnan(numbers)) or [low, high] != numbers[2:]:
            raise ValueError(f"RANGE takes two longitudes, then two latitudes in order, not {text!r}")
        return cls(Region.from_ivoa_pos(text))

    @classmethod
    def from_value(cls, value: Any) -> SkyRegion | None:
        """Return what a value of another library means on the sky; None if it means nothing.

        Parameters
        ----------
        value
            A region or position of lsst.sphgeom, a single ``SkyCoord``, or a region of ours.
        """
        if isinstance(value, SkyRegion):
            return value
        if isinstance(value, Region):
            return cls(value)
        if isinstance(value, LonLat):
            return cls.from_point(value.getLon().asDegrees(), value.getLat().asDegrees())
        if hasattr(value, "icrs") and getattr(value, "isscalar", False):
            return cls.from_point(float(value.icrs.ra.deg), float(value.icrs.dec.deg))
        return None

    @classmethod
    def from_wcs(cls, wcs: SkyWcs, bbox: Box2I) -> SkyRegion:
        """Make the polygon of a pixel box: its corners, and points along edges that bulge out between them.

        Parameters
        ----------
        wcs
            WCS in parent pixels.
        bbox
            The box; its outer corners count, half a pixel beyond the corner pixels' centres.

        Raises
        ------
        ValueError
            Raised if a place on the edge has no sky position, if the box has no area there, or if no
            hemisphere holds all of it.

        Notes
        -----
        Edges are looked at in 16 places each; where none lies more than a tenth of a pixel outside the
        polygon of the corners, that is the region. A bulge of ``b`` pixels is covered but for ``b / 256``.
        """
        [found] = cls.from_wcss([wcs], bbox)
        if isinstance(found, ValueError):
            raise found
        return found

    @classmethod
    def from_wcss(cls, wcss: Sequence[SkyWcs], bbox: Box2I) -> list[SkyRegion | ValueError]:
        """Make the polygons of a pixel box by many WCSs; where there is none, the error of `from_wcs`."""
        if not wcss:
            return []
        ra, dec = type(wcss[0]).pixels_to_sky(wcss, *box_outline(bbox))
        found = footprints(ra, dec, bbox)
        return [each if isinstance(each, ValueError) else cls(each) for each in found]

    @classmethod
    def from_wcs_boxes(cls, wcs: SkyWcs, boxes: Sequence[Box2I]) -> list[SkyRegion]:
        """Make the polygons of the corners of many pixel boxes of one WCS.

        Raises
        ------
        ValueError
            Raised if a corner has no sky position or if no hemisphere holds the four of a box.
        """
        if not boxes:
            return []
        x, y = np.array([box.corners for box in boxes]).reshape(-1, 2).T
        ra, dec = (angles.reshape(-1, 4) for angles in wcs.pixelToSky(x, y))
        bad = ~np.all(np.isfinite(ra) & np.isfinite(dec), axis=1)
        if np.any(bad):
            box = boxes[int(np.argmax(bad))]
            raise ValueError(f"pixel box {box} has a corner without a sky position; use a smaller box")
        return [cls(region) for region in quadrilaterals(ra, dec)]

    @classmethod
    def convex_hull_of(cls, regions: Iterable[SkyRegion]) -> SkyRegion:
        """Make the smallest convex polygon that contains polygons.

        Raises
        ------
        ValueError
            Raised if there is none, if one of them is not a polygon, or if no hemisphere holds them all.
        """
        return cls(hull_of([vertex for region in regions for vertex in region._vertices()]))

    @classmethod
    def of(cls, region: Any) -> SkyRegion | None:
        """Return a region of ours, or of lsst.sphgeom, as one of ours; None if it is neither."""
        if isinstance(region, Region):
            return cls(region)
        return region if isinstance(region, SkyRegion) else None

    @classmethod
    def decode(cls, encoded: bytes) -> SkyRegion:
        """Read a region from lsst.sphgeom's byte encoding.

        Raises
        ------
        ValueError
            Raised if the bytes are not the encoding of a region.
        """
        if len(encoded) > _MAX_ENCODED_BYTES:
            raise ValueError(f"{len(encoded)} bytes are too long for a region; at most {_MAX_ENCODED_BYTES}")
        try:
            region = Region.decode(bytes(encoded))
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"not an encoded sky region ({len(encoded)} bytes): {error}") from error
        if not _is_sound(region):
            raise ValueError(f"not a sky region: its {type(region).__name__} has numbers that cannot be")
        return cls(region)

    def encode(self) -> bytes:
        """Return lsst.sphgeom's byte encoding: a letter, then little-endian float64 numbers."""
        return bytes(self._region.encode())

    @property
    def is_empty(self) -> bool:
        """Whether certainly no position lies inside; an intersection may hold none and still not tell."""
        # Region.isEmpty says True of polygons (lsst-sphgeom 30).
        return bool(self._region.getBoundingBox3d().isEmpty())

    def overlaps(self, other: SkyRegion) -> bool:
        """Tell whether the regions share a position (LSST's spatial join); touching and containing count.

        Notes
        -----
        Exact, but for rounding (of points and circles up to 0.01 arcsec), between points, circles and
        polygons, and between a box and a point, circle or box. Where lsst.sphgeom cannot tell (a box against
        a polygon; an ellipse) regions count as overlapping unless their bounds prove them apart.
        """
        return self._region.overlaps(other._region) is not False

    def intersection(self, other: SkyRegion) -> SkyRegion:
        """Return the region that both have in common; it may be empty, and not tell."""
        return SkyRegion(IntersectionRegion(self._region, other._region))

    def contains(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
        """Tell of each position (degrees) whether it lies inside; NaN is nowhere.

        Returns
        -------
        inside
            Of the common shape of both inputs, 0-d for scalars.
        """
        lon, lat = np.broadcast_arrays(np.radians(ra), np.radians(dec))
        finite = np.isfinite(lon) & np.isfinite(lat)
        inside = self._region.contains(np.where(finite, lon, 0.0), np.where(finite, lat, 0.0))
        return np.asarray(finite & inside, dtype=bool)

    def vertices(self) -> list[tuple[float, float]]:
        """Return a polygon's vertices ``(ra, dec)``, counter-clockwise seen from outside the sphere.

        Raises
        ------
        ValueError
            Raised if the region is not a polygon.
        """
        return [_degrees(vertex) for vertex in self._vertices()]

    def outline(self, step: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return right ascension and declination along the edge, degrees; the last is the first.

        Of a region that is neither polygon nor circle nor box, it is the edge of the circle around it.

        Parameters
        ----------
        step
            Largest distance from one position to the next, degrees.

        Raises
        ------
        ValueError
            Raised if the region is empty.
        """
        if self.is_empty:
            raise ValueError("an empty region has no outline")
        return outline_of(self._region, step)

    def bounding_vectors(self) -> tuple[float, float, float, float, float, float]:
        """Return ``(xmin, xmax, ymin, ymax, zmin, zmax)``, a box that holds all unit vectors of the region.

        Regions that share a position have boxes that overlap. Of an empty region each minimum is 1 and each
        maximum 0.
        """
        box = self._region.getBoundingBox3d()
        if not box.isEmpty():
            box.dilateBy(_BOX_PADDING)
        x, y, z = box.x(), box.y(), box.z()
        return x.getA(), x.getB(), y.getA(), y.getB(), z.getA(), z.getB()

    def bounding_circle(self) -> tuple[float, float, float]:
        """Return ``(ra, dec, radius)`` of a circle around the region, not the smallest.

        About a polygon: the centroid of its area, and the largest angle to a vertex plus about 6e-12 degrees.

        Raises
        ------
        ValueError
            Raised if the region is empty.
        """
        if self.is_empty:
            raise ValueError("an empty region has no bounding circle")
        circle = self._region.getBoundingCircle()
        radius = min(float(circle.getOpeningAngle().asDegrees()), 180.0)
        return (*_degrees(circle.getCenter()), radius)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkyRegion):
            return NotImplemented
        return self.encode() == other.encode()

    def __hash__(self) -> int:
        return hash(self.encode())

    def __repr__(self) -> str:
        kind = type(self._region).__name__
        if self.is_empty:
            return f"SkyRegion({kind}, empty)"
        ra, dec, radius = self.bounding_circle()
        return f"SkyRegion({kind} within {radius:.6f} deg of ra={ra:.6f}, dec={dec:.6f})"

    def __reduce__(self) -> tuple[Callable[[bytes], SkyRegion], tuple[bytes]]:
        return SkyRegion.decode, (self.encode(),)

    def _vertices(self) -> list[UnitVector3d]:
        if not isinstance(self._region, ConvexPolygon):
            raise ValueError(f"only a polygon has vertices, not a {type(self._region).__name__}")
        return list(self._region.getVertices())


def _degrees(vector: UnitVector3d) -> tuple[float, float]:
    """Return right ascension (0 to 360) and declination of a unit vector."""
    position = LonLat(vector)
    return float(position.getLon().asDegrees()), float(position.getLat().asDegrees())


def _is_sound(region: Region) -> bool:
    """Tell whether the numbers of a decoded region can be those of a region."""
    todo: list[Any] = [region]
    while todo:
        part = todo.pop()
        match part:
            case CompoundRegion():
                todo.extend(Region.getRegions(part))
            case ConvexPolygon():
                v = part.getVertices()
                turns = (orientation(v[i - 2], v[i - 1], v[i]) for i in range(len(v)))
                if not all(map(_is_unit, v)) or any(turn < 0 for turn in turns):
                    return False
            case Circle():
                angle = part.getOpeningAngle()
                mismatch = Circle.squaredChordLengthFor(angle) - part.getSquaredChordLength()
                if not (_is_unit(part.getCenter()) and abs(mismatch) < 1e-9):
                    return False
            case Ellipse():
                numbers = np.frombuffer(part.encode()[1:], dtype="<f8")
                rotation, angles = numbers[:9].reshape(3, 3), numbers[9:12]
                is_rotation = np.allclose(rotation @ rotation.T, np.eye(3), rtol=0, atol=1e-9)
                if not (is_rotation and np.all(np.isfinite(angles))):
                    return False
            # A Box checks itself.
    return True


def _is_unit(vector: UnitVector3d) -> bool:
    """Tell whether a decoded vector has length 1; NaN has not."""
    return abs(vector.x() ** 2 + vector.y() ** 2 + vector.z() ** 2 - 1.0) < 1e-9
