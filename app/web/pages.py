"""Routes of the web pages: templates without data, whose scripts fetch it from the API."""

from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from app.api.http.rate_limits import limiter
from app.web.language import COOKIE, LANGUAGES, chosen

ONE_YEAR_S = 365 * 24 * 3600

# Pages load only what this server serves, and have no inline scripts or styles
# (tests/web/test_pages.py::test_pages_have_no_inline_scripts_or_styles).
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

blueprint = Blueprint(
    "web", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
)
limiter.exempt(blueprint)


@blueprint.get("/")
def home() -> str:
    """Show the page to draw a digit, see the prediction and give feedback."""
    return render_template("home.html", roles="user reviewer admin")


@blueprint.get("/review")
def review() -> str:
    """Show the page to label images of the review queue."""
    return render_template("review.html", roles="reviewer admin")


@blueprint.get("/dashboard")
def dashboard() -> str:
    """Show the dashboard of experiments, training runs and deployments."""
    return render_template("dashboard.html", roles="admin")


@blueprint.get("/language/<code>")
def choose_language(code: str) -> AnyResponse:
    """Store the language in a cookie and redirect back to the page."""
    back = request.args.get("back", "/")
    response = redirect(
        back if back in {"/", "/review", "/dashboard"} else "/", HTTPStatus.SEE_OTHER
    )
    if code in LANGUAGES:
        response.set_cookie(COOKIE, code, max_age=ONE_YEAR_S, samesite="Lax", httponly=True)
    return response


@blueprint.context_processor
def _languages() -> dict[str, object]:
    return {"languages": LANGUAGES, "language": chosen()}


@blueprint.after_request
def _restrict(response: Response) -> Response:
    """Restrict pages to resources of this server and forbid framing."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response
