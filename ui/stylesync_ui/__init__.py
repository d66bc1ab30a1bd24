"""The editor's panel."""
