"""The errors that Cifra raises; app/api/http/error_handlers.py maps them to status codes.

CifraError
├── InvalidInput            what was sent cannot be understood
│   └── WeakPassword        the password breaks a rule, which the message names
├── NotAuthenticated        nobody, or not who they say
├── NotAllowed              somebody, but not somebody who may
├── NotFound                no such thing, or not yours
├── Conflict                it is so already, or something stands in the way
├── Contradiction           words that cannot all be true
├── NothingToLearn          too few labels for a retrain
├── UnfitModel              an artefact that is torn, or reads no digits
├── Unavailable             not now; try again
└── PictureError
    ├── UnreadablePicture   not a picture in a format that we read, or torn
    ├── PictureTooLarge     more bytes or pixels than we look at
    ├── NoDigit             nothing drawn on it
    └── SeveralDigits       more than one digit on it
"""


class CifraError(Exception):
    """The root of every error that Cifra raises on purpose; its message is meant for clients."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(CifraError):
    """What was sent cannot be understood."""


class WeakPassword(InvalidInput):
    """The password breaks a rule; the message names it."""


class NotAuthenticated(CifraError):
    """The caller is nobody that we know, or did not prove it."""


class NotAllowed(CifraError):
    """The caller is known and may not do this."""


class NotFound(CifraError):
    """There is no such thing, or it belongs to somebody else."""


class Conflict(CifraError):
    """The state of things stands in the way."""


class ContradictoryFeedback(CifraError):
    """The words contradict each other, or what is stored."""


class NotEnoughLabels(CifraError):
    """There are too few labelled pictures to learn from."""


class InvalidModel(CifraError):
    """An artefact that cannot serve: torn, or not a model of digits."""


class Unavailable(CifraError):
    """The service cannot do this at the moment."""


class ImageError(CifraError):
    """A picture that no digit can be read from."""


class UnreadableImage(ImageError):
    """Not a picture in a format that we read, or a torn one."""


class ImageTooLarge(ImageError):
    """More bytes or more pixels than we look at."""


class NoDigit(ImageError):
    """A picture with nothing drawn on it."""


class MultipleDigits(ImageError):
    """A picture with more than one digit on it."""
