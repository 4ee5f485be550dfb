"""Pure values in, values out: no input or output of any kind lives here."""
