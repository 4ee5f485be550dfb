"""Handle what every request needs: parsing, authentication, rate limits, errors, logging."""
