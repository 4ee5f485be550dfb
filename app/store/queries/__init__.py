"""Query and update rows; a query never commits."""
