"""Training StyleSync: data, losses, loops, measures."""
