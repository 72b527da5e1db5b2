"""Errors that a user can act on; scripts print them without a traceback."""


class InputError(ValueError):
    """A file, a key or a value that the user gave cannot be used.

    Parameters
    ----------
    where : str
        File, sample sheet row or configuration key at fault.
    found : str
        What stands there.
    accepted : str, optional
        What would be accepted instead.
    """

    def __init__(self, where, found, accepted=None):
        self.where, self.found, self.accepted = str(where), found, accepted
        hint = f" Accepted: {accepted}." if accepted else ""
        super().__init__(f"{where}: {found.rstrip('.')}.{hint}")

    def __reduce__(self):
        return type(self), (self.where, self.found, self.accepted)
