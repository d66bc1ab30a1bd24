"""Sound -> features at 25 Hz, and reading a person's style from them.

    features = load_front_end("log-mel").features(samples)

No files but weights: sound comes as arrays `[S]` at 16 kHz.
"""
