"""The version of Cifra, as metrics, backups and documents show it."""

VERSION = "0.1.0"
