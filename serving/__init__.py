"""What gunicorn and granian share: checks of a start, and how workers start and stop.

Parent processes import it, so it imports nothing of the application: ONNX Runtime starts threads
when it is imported, and a fork loses them.
"""

HEALTH_PATHS = ("/livez", "/health")  # answered while all else is busy
