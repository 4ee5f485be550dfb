"""Cifra: two versions of a digit classifier behind one API.

This module imports nothing, so that child processes import only what they need of the package.
"""
