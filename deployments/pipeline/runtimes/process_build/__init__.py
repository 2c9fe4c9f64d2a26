"""Builds an image without an engine: a program of its own, of the standard library and our reader only.

It runs on the host as a job, perhaps under another Python than the portal's (3.10 or newer), so
nothing here imports Django or the portal.
"""
