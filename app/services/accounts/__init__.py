"""Manage accounts, logins and the keys that sign their tokens."""
