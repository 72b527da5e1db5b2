"""The eight orientations of a plane."""

from collections.abc import Callable

import numpy as np

Read = Callable[[slice, slice], np.ndarray]
# Start and stop along one axis.
Span = tuple[int, int]


class Turned:
    """A plane in one of the eight orientations, read in place.

    Parameters
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
    shape : tuple of int
        y and x of the plane as stored.
    turn : int
        0 to 7, as for `orient`.
    """

    def __init__(self, read: Read, shape: tuple[int, ...], turn: int):
        self.read, self.stored, self.turn = read, shape, turn
        self.shape = shape[::-1] if turn % 2 else tuple(shape)

    def box(self, rows: Span, cols: Span) -> tuple[Span, Span]:
        """Where a box (start and stop along y and x) of the stored plane lies."""
        height, width = self.stored
        if self.turn >= 4:
            cols = width - cols[1], width - cols[0]
        for _ in range(self.turn % 4):
            rows, cols = (width - cols[1], width - cols[0]), rows
            height, width = width, height
        return rows, cols

    def stored_box(self, rows: Span, cols: Span) -> tuple[Span, Span]:
        """Where a box of this plane lies in the stored one."""
        height, width = self.shape
        for _ in range(-self.turn % 4):
            rows, cols = (width - cols[1], width - cols[0]), rows
            height, width = width, height
        if self.turn >= 4:
            cols = width - cols[1], width - cols[0]
        return rows, cols

    def around(self, rows: Span, cols: Span, margin: int) -> Read:
        """Read a box and a margin once; gives a callable (slice, slice) that reads from it."""
        wide = [
            (max(a - margin, 0), min(b + margin, n)) for (a, b), n in zip((rows, cols), self.shape)
        ]
        stored = self.read(*(slice(*box) for box in self.stored_box(*wide)))
        held = orient(stored, self.turn)
        (top, _), (left, _) = wide
        return lambda r, c: held[r.start - top : r.stop - top, c.start - left : c.stop - left]


def orient(image: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight symmetries of the square, 0 to 7."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)
