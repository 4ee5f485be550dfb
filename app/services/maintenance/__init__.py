"""Back up and restore the database, erase expired data, audit the counters."""
