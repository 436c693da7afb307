"""Video files: read, edited and written whole by `afterimage edit`."""
