"""The report over HTTP."""

import csv
import io
from typing import Annotated, Literal

from flask import Blueprint, Response
from pydantic import BaseModel, Field

from app.api.http.authentication import require_roles
from app.api.http.contract import request_query, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import query_args
from app.api.schemas import serializers
from app.api.schemas.experiments import Report
from app.domain.roles import Role
from app.services.reporting import report as reporting

blueprint = Blueprint("report", __name__, url_prefix="/admin")


class ReportQuery(BaseModel):
    """In which form the report is wanted."""

    format: Annotated[Literal["json", "csv"], Field(description="json or csv")] = "json"


@blueprint.get("/report")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@request_query(ReportQuery)
@responds(Report, also=("text/csv",))
def get_report() -> serializers.Json | Response:
    """What people said of the answers, and which version is better."""
    wanted = query_args(ReportQuery).format
    made = serializers.report(reporting.build())
    return made if wanted == "json" else _as_csv(made)


def _as_csv(made: serializers.Json) -> Response:
    """Every figure on a line of its own: its path in the JSON, and its value."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["figure", "value"])
    writer.writerows(_flatten("", made))
    headers = {"Content-Disposition": "attachment; filename=report.csv"}
    return Response(file.getvalue(), mimetype="text/csv", headers=headers)


def _flatten(path: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))
    else:
        return [(path, value)]
    return [
        figure
        for key, part in parts
        for figure in _flatten(f"{path}.{key}" if path else str(key), part)
    ]
