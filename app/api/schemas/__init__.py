"""Request and response bodies, as the OpenAPI document describes them."""
