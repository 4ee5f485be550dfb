"""What gunicorn and granian share: checks of a start, and how workers start and stop.

Parent processes import it, so it imports nothing of the application: ONNX Runtime starts threads
when it is imported, and a fork loses them.
"""
