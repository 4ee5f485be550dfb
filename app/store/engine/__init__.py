"""Open database engines, transactions and batch writes, and time them out."""
