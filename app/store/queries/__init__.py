"""Query and update rows; nothing here commits."""
