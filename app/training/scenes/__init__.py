"""Scenes: what people photograph, scan and draw, generated with the ink of the digit marked.

Training digits on paper, boards and screens, with what else is there, for the ink network.
"""
