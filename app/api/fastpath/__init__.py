"""Answer the most common predict requests ahead of Flask; fall back to it for all others."""
