"""Two regions of one grid made into one."""

from __future__ import annotations

from surgplan.segment.region import Box, Region


def around(first: Box, second: Box) -> Box:
    """The smallest box that holds both."""
    start = [min(a, b) for a, b in zip(first.start, second.start, strict=True)]
    stop = [max(a, b) for a, b in zip(first.stop, second.stop, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def shared(first: Box, second: Box) -> Box:
    """The block in both; empty (no voxels along an axis) when they lie apart."""
    start = [max(a, b) for a, b in zip(first.start, second.start, strict=True)]
    stop = [max(s, min(a, b)) for s, a, b in zip(start, first.stop, second.stop, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def add(region: Region, other: Region) -> Region:
    """The voxels of either."""
    whole = region.within(around(region.box, other.box))
    mask = whole.mask if whole is not region else whole.mask.copy()
    mask[inner(whole.box, other.box)] |= other.mask
    return whole.with_mask(mask)


def subtract(region: Region, other: Region) -> Region:
    """The voxels of the first that are not the second's."""
    both = shared(region.box, other.box)
    mask = region.mask.copy()
    mask[inner(region.box, both)] &= ~other.mask[inner(other.box, both)]
    return region.with_mask(mask)


def intersect(region: Region, other: Region) -> Region:
    """The voxels of both; without any, an empty region in the first one's box."""
    both = shared(region.box, other.box)
    if 0 in both.shape:
        return region.with_mask(region.mask & False)
    mask = region.mask[inner(region.box, both)] & other.mask[inner(other.box, both)]
    return Region(region.grid, both, mask)


def inner(outer: Box, block: Box) -> tuple[slice, slice, slice]:
    """A block of the volume as an index into the array of a box that holds it."""
    k, j, i = (slice(a - o, b - o) for a, b, o in zip(block.start, block.stop, outer.start, strict=True))
    return k, j, i
