"""Notes about pixel sizes that are not known, or not those of the file."""

from collections.abc import Iterator, Sequence

# Share by which a pixel size may be another than the file's before it is noted.
SAME_SIZE = 0.02

Size = tuple[float | None, float | None, float | None]


def unknown_size(pixel_size: Size, sizes: Sequence[int]) -> Iterator[str]:
    """Note about axes (z, y, x) whose pixel size nobody says."""
    missing = [
        a
        for a, p, n in zip("zyx", pixel_size, sizes, strict=True)
        if p is None and (n > 1 or a != "z")
    ]
    if missing:
        where = ", ".join(missing)
        yield f"pixel size of {where} is not in the file (set `pixel_size` in the sample sheet)"


def replaced_size(used: Size, said: Size) -> Iterator[str]:
    """Note about a pixel size that replaces another one."""
    pairs = [(a, u, s) for a, u, s in zip("zyx", used, said, strict=True) if u and s]
    if other := [(a, u, s) for a, u, s in pairs if abs(u / s - 1) > SAME_SIZE]:
        taken, other_said = (
            ", ".join(f"{axis} {sizes[i]:.4g}" for axis, *sizes in other) for i in range(2)
        )
        yield (
            f"pixel size taken as {taken} um, as the sample sheet or the HR image of the field "
            f"says, though the file says {other_said} um"
        )
