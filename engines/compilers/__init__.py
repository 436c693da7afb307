"""Compilers: a frame program and a shape to something that runs it fast, one interface for all of them."""
