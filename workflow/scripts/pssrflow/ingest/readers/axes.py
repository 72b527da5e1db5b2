"""Letters for the axes, scenes and channels of a file, as a user names them."""

from pssrflow.errors import InputError


def rename_axes(found, sizes, axes, where):
    """Letters for the axes of a file as the user names them.

    Parameters
    ----------
    found : str
        Letters in the file, one for each of `sizes`.
    sizes : sequence of int
    axes : str
        One letter for each axis, or for each axis longer than one.
    where : str
        For the message.

    Returns
    -------
    str
        One letter for each of `sizes`; "?" for axes of length one that `axes` leaves out.

    Raises
    ------
    InputError
        Unknown or repeated letters, no Y or X, or another number of letters than of axes.
    """
    axes = axes.strip().upper()
    has = f"the file has {len(sizes)} axes, {describe(found, sizes)}"
    accepted = "letters of T, C, Z, Y, X (S is C), each once, with Y and X, one for each axis"
    letters = axes.replace("S", "C")
    if set(letters) - set("TCZYX") or len(set(letters)) != len(letters) or {"Y", "X"} - set(axes):
        raise InputError(where, f"axes {axes!r} cannot be used; {has}", accepted)
    if len(axes) == len(sizes):
        return axes
    if "".join(a for a in axes if a in found) == found:
        return found
    long = [i for i, n in enumerate(sizes) if n > 1 or found[i] in "YX"]
    if len(axes) != len(long):
        raise InputError(where, f"axes {axes!r} has {len(axes)} letters; {has}", accepted)
    given = dict(zip(long, axes, strict=True))
    return "".join(given.get(i, "?") for i in range(len(sizes)))


def describe(axes, sizes):
    """Axes with their sizes, for people: "Z=20, Y=64, X=64"."""
    return ", ".join(f"{a}={n}" for a, n in zip(axes, sizes, strict=True))


def pick(names, chosen, where, what):
    """Index of the item of `names` that `chosen` gives by name or by number.

    Raises
    ------
    InputError
        There is no such item.
    """
    chosen = str(chosen).strip()
    if list(names).count(chosen) == 1:
        return list(names).index(chosen)
    if chosen.isdecimal() and int(chosen) < len(names):
        return int(chosen)
    listed = ", ".join(f"{i} ({n})" if str(i) != n else n for i, n in enumerate(names))
    raise InputError(where, f"there is no {what} {chosen!r}", f"number or name of: {listed}")


def pick_channels(names, chosen, where):
    """Indices of the channels that "0,2" or "DNA, actin" names, in that order."""
    indices = tuple(pick(names, c, where, "channel") for c in str(chosen).split(","))
    if len(set(indices)) != len(indices):
        raise InputError(where, f"channels {chosen!r} names one channel twice", "each channel once")
    return indices
