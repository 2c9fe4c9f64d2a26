"""Runs an image without an engine: a program that stands beside the application as long as it runs."""
