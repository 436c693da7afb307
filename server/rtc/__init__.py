"""Peers, tracks and clocks: everything that knows WebRTC."""
