"""The web pages: templates and scripts that call the API like any other client."""
