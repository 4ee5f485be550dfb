"""The errors that Cifra raises; app/api/http/error_handlers.py maps them to status codes.

CifraError
├── InvalidInput               the request cannot be parsed or breaks a rule
│   └── WeakPassword           the password breaks a rule, which the message names
├── NotAuthenticated           no valid token, or wrong credentials
├── NotAllowed                 the user's role does not permit this
├── NotFound                   the resource does not exist or belongs to another user
├── Conflict                   the current state does not permit this
├── ContradictoryFeedback      the feedback contradicts itself or the prediction
├── NotEnoughLabels            too few labels for a retrain
├── InvalidModel               a model artifact that is damaged or does not classify digits
├── Unavailable                temporarily impossible; try again
└── ImageError
    ├── UnreadableImage        not an image in a supported format, or damaged
    ├── ImageTooLarge          more bytes or pixels than allowed
    ├── NoDigit                an empty image
    └── MultipleDigits         more than one digit in the image
"""


class CifraError(Exception):
    """Base class of the errors that Cifra raises on purpose; clients see the message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(CifraError):
    """The request cannot be parsed or breaks a rule."""


class WeakPassword(InvalidInput):
    """The password breaks a rule; the message names it."""


class NotAuthenticated(CifraError):
    """The request has no valid token, or the credentials are wrong."""


class NotAllowed(CifraError):
    """The user's role does not permit this."""


class NotFound(CifraError):
    """The resource does not exist, or it belongs to another user."""


class Conflict(CifraError):
    """The current state does not permit this."""


class ContradictoryFeedback(CifraError):
    """The feedback contradicts itself or the stored prediction."""


class NotEnoughLabels(CifraError):
    """There are too few labeled images for a retrain."""


class InvalidModel(CifraError):
    """The model artifact is damaged or does not classify digits."""


class Unavailable(CifraError):
    """The service cannot do this at the moment; try again later."""


class ImageError(CifraError):
    """No digit can be predicted for the image."""


class UnreadableImage(ImageError):
    """The file is not an image in a supported format, or it is damaged."""


class ImageTooLarge(ImageError):
    """The image has more bytes or pixels than allowed."""


class NoDigit(ImageError):
    """The image is empty."""


class MultipleDigits(ImageError):
    """The image shows more than one digit."""
