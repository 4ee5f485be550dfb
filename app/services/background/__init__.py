"""Periodic work on threads that start after the fork and stop with the process."""
