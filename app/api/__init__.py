"""HTTP in and out, nothing else: parse, call one service, return."""
