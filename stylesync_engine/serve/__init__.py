"""The line protocol on standard input and output, for panels and hosts.

    {"id": "7", "method": "probe", "params": {"path": "take.mov"}}

No flags, no terminal; what is asked runs through `dubbing` and `review` alone.
"""
