"""Training: runs in a process of its own; the server never imports it, nor torch."""
