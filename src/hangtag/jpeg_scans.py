"""Progressive JPEGs at an eighth of their size: what need not be decoded for that.

A progressive JPEG holds its blocks of 8 × 8 pixels in several scans: first each block's mean (the
DC coefficient), then coarse and at last fine detail (AC). At an eighth of the size a block becomes
one pixel, its mean. So the later scans change nothing, but are most of the data, and unpacking
them is most of the work.
"""

import re
from collections.abc import Iterator

_START_OF_SCAN, _END = 0xDA, 0xD9
_PROGRESSIVE = 0xC2
# In a scan's data 0xFF is followed by 0 (an ordinary byte) or a restart marker.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_COARSE = 6
"""Scans that begin below this coefficient are kept. The decoder (libjpeg-turbo) blurs the means
where a component has none of the first ones, since it then takes the file for a partial one."""


def without_fine_scans(data: bytes) -> bytes:
    """Leave out the scans that don't show at an eighth of the size.

    Only components of full resolution lose any: the decoder takes colour of half the resolution
    at a quarter of its size, so as not to enlarge it again.

    Args:
        data: A JPEG file.

    Returns:
        A shorter JPEG file that gives the same pixels at an eighth of the size (at others it
        doesn't); ``data`` itself where it isn't progressive, is incomplete or not understood.
    """
    try:
        cuts = list(_fine_scans(data))
    except (IndexError, ValueError):
        return data
    kept, position = [], 0
    for start, end in cuts:
        kept.append(data[position:start])
        position = end
    return b"".join([*kept, data[position:]]) if cuts else data


def _fine_scans(data: bytes) -> Iterator[tuple[int, int]]:
    """Begins and ends of the scans to leave out.

    Raises:
        IndexError, ValueError: The file ends too early or isn't built as expected.
    """
    full_resolution: set[int] = set()
    position = 2
    while data[position + 1] != _END:
        if data[position] != 0xFF or not _MARKER.match(data, position):
            raise ValueError("no marker where one should be")
        marker = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _PROGRESSIVE:
            full_resolution = _full_resolution(data[position + 4 : end])
        elif marker == _START_OF_SCAN:
            following = _MARKER.search(data, end)
            if following is None:
                raise ValueError("the last scan has no end")
            # Number of components; a component and its tables, for each; spectral selection
            # (first and last coefficient); successive approximation (0 in the high half: first).
            count, component = data[position + 4], data[position + 5]
            first = data[position + 5 + 2 * count]
            refines = data[position + 7 + 2 * count] >> 4 > 0
            end = following.start()
            if first > 0 and component in full_resolution and (refines or first >= _COARSE):
                yield position, end
        position = end


def _full_resolution(frame: bytes) -> set[int]:
    """Components that have as many samples as the picture, from the content of a frame header."""
    # Precision, height, width, number of components; then each one's id, sampling and table.
    samplings = {frame[at]: frame[at + 1] for at in range(6, 6 + 3 * frame[5], 3)}
    across = max(sampling >> 4 for sampling in samplings.values())
    down = max(sampling & 15 for sampling in samplings.values())
    return {name for name, sampling in samplings.items() if sampling == across << 4 | down}
