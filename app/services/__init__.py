"""Use cases, one function each, independent of Flask; a service owns the transaction."""
