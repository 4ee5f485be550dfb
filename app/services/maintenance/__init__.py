"""Back up and restore the database, erase what is too old, audit counters."""
