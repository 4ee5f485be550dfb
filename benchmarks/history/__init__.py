"""A history checker: concurrent operations under faults, checked afterwards (`make history`)."""
