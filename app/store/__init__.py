"""Rows: the tables and the named queries on them; a store never commits."""
