"""Image files in, one normalized 28x28 digit out; independent of HTTP, database and models."""
