"""What Cifra does when it is killed, starved, flooded or lied to: `make chaos`."""
