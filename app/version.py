"""Which Cifra this is: what metrics, backups and documents name."""

VERSION = "0.1.0"
