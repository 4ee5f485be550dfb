"""Raise alerts and send notifications by mail."""
