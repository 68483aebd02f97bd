"""The errors of this library. Their messages are whole sentences that name what is wrong."""


class DeepsicError(Exception):
    """What all errors of this library have in common."""


class ModelError(DeepsicError):
    """A model folder is missing, damaged or of another kind than what is to be done with it."""


class CorruptFile(DeepsicError, ValueError):
    """The bytes are no intact `.dsic` file of a version that is known."""


class NewerFile(CorruptFile):
    """A file has something in it that only a newer version of this library knows."""


class UnknownModel(ModelError):
    """The model that a file or a user names is not at hand."""


class OutOfReach(DeepsicError):
    """No file can be as small as is asked for; the message says how small it can be."""


class UserError(DeepsicError):
    """Something the user of a command can mend; the message is one sentence that says how."""


class BadFile(DeepsicError):
    """A file cannot be read or written."""


class NoRoom(BadFile):
    """The disk is full or closed to writing, for other files as well."""


class TooManyPixels(CorruptFile, BadFile):
    """A file promises a larger picture than is allowed.

    Attributes:
      pixels: that it promises.
    """

    def __init__(self, message: str, pixels: int) -> None:
        super().__init__(message)
        self.pixels = pixels

    def __reduce__(self) -> tuple:
        return type(self), (self.args[0], self.pixels)
