"""Live updates over Socket.IO: who may subscribe, and which events are sent."""
