"""The live connection: who may listen, what they are sent, and when it ends."""
