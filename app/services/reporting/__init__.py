"""Build the report on both versions."""
