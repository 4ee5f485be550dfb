"""Database engines, transactions, batch writes and timeouts."""
