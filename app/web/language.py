"""The language of the pages: the chosen one, else the browser's."""

from flask import request
from flask_babel import Babel

LANGUAGES = {"en": "English", "es": "Español"}
COOKIE = "cifra_language"

babel = Babel()


def chosen() -> str:
    """Return the language code of this request."""
    code = request.cookies.get(COOKIE, "")
    if code in LANGUAGES:
        return code
    return request.accept_languages.best_match(LANGUAGES) or "en"
