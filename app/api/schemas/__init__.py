"""Answers as the OpenAPI document describes them; what app/api/shown.py and the views return."""
