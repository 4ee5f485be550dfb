"""Serve the routes: each view parses, calls one service and returns."""
