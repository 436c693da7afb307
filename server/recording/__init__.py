"""Takes of sessions, kept on disk."""
