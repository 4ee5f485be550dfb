"""Persistence: the tables and the queries on them; a store never commits."""
