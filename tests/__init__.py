"""Tests, laid out as app/ is; whole-app tests stand at the top."""
