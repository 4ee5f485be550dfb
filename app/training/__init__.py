"""Training, in its own process; the server never imports it, nor torch."""
