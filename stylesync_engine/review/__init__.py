"""Looking at a dub: pictures and waveforms for a panel, contact sheets, comparisons, speed.

    draw_contact_sheet(Path("take.mov"), Path("dub.mov"), Path("sheet.png"))

Reads media and plans, and never changes them.
"""
