"""The report on feedback and on both versions."""

import csv
import io

from flask import Blueprint, Response

from app.api.http.authentication import require_roles
from app.api.http.contract import request_query, responds
from app.api.http.rate_limits import limiter, read_limit
from app.api.http.request_parsing import query_args
from app.api.schemas import serializers
from app.api.schemas.report import Report, ReportQuery
from app.domain.roles import Role
from app.services.reporting import report as reporting

blueprint = Blueprint("report", __name__, url_prefix="/admin")


@blueprint.get("/report")
@limiter.limit(read_limit)
@require_roles(Role.ADMIN)
@request_query(ReportQuery)
@responds(Report, also=("text/csv",))
def get_report() -> serializers.Json | Response:
    """Get the report: user feedback, metrics of both versions, and the current experiment."""
    report_format = query_args(ReportQuery).format
    report = serializers.report(reporting.build())
    return report if report_format == "json" else _as_csv(report)


def _as_csv(report: serializers.Json) -> Response:
    """Write one row for each figure: its path in the JSON, and its value."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["figure", "value"])
    writer.writerows(_flatten("", report))
    headers = {"Content-Disposition": "attachment; filename=report.csv"}
    return Response(file.getvalue(), mimetype="text/csv", headers=headers)


def _flatten(path: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list | tuple):
        children = list(enumerate(value))
    else:
        return [(path, value)]
    return [
        figure
        for key, child in children
        for figure in _flatten(f"{path}.{key}" if path else str(key), child)
    ]
