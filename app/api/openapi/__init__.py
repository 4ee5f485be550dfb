"""Describe the API as an OpenAPI document, made from the routes themselves."""
