"""Raise alerts and send notifications by email."""
