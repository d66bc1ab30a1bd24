"""Timelines in, timelines out: plan, dub, write back."""
