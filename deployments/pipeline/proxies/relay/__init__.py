"""The parts of the built-in proxy. Standard library only: it runs as a program of its own, without Django."""
