"""Pictures in, one 28x28 digit out; nothing here knows of HTTP, rows or models."""
