"""Use cases, one function each, without Flask; a service owns the transaction."""
