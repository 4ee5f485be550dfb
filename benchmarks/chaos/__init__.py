"""Fault injection: crashes, unavailable dependencies and hostile clients (`make chaos`)."""
