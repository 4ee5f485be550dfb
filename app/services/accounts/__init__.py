"""Accounts, logins and the keys that sign their tokens."""
