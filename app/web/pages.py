"""The pages' routes: each is a template without data; its script asks the API for what it shows."""

from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from app.api.http.rate_limits import limiter
from app.web.language import COOKIE, LANGUAGES, chosen

A_YEAR_S = 365 * 24 * 3600

# Everything comes from here; a script stands in a file of its own, never in the page.
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
    """Draw a digit, see the answer, say whether it is right."""
    return render_template("home.html", roles="user reviewer admin")


@blueprint.get("/review")
def review() -> str:
    """Label what the experiment asks about."""
    return render_template("review.html", roles="reviewer admin")


@blueprint.get("/dashboard")
def dashboard() -> str:
    """Watch the experiment, the retrain and the deployments."""
    return render_template("dashboard.html", roles="admin")


@blueprint.get("/language/<code>")
def choose_language(code: str) -> AnyResponse:
    """Show the pages in a language from now on, and go back to the page that asked."""
    back = request.args.get("back", "/")
    answer = redirect(back if back in {"/", "/review", "/dashboard"} else "/", HTTPStatus.SEE_OTHER)
    if code in LANGUAGES:
        answer.set_cookie(COOKIE, code, max_age=A_YEAR_S, samesite="Lax", httponly=True)
    return answer


@blueprint.context_processor
def _languages() -> dict[str, object]:
    return {"languages": LANGUAGES, "language": chosen()}


@blueprint.after_request
def _restrict(response: Response) -> Response:
    """Let a page load nothing but what is served here, and be shown in no frame."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response
