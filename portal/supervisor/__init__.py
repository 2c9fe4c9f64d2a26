"""Keeps the portal's processes alive: the queue's (`worker`) and the whole of one machine (`stack`)."""
