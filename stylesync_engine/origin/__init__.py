"""Who allowed a dub and who made it; the only room with cryptography and c2pa.

    verify("dub.mov").signed_by

Signs statements and reads them; what a plan is, it need not know.
"""
