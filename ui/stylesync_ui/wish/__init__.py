"""What is to be dubbed: the choices, the form that shows them, what stands in the way.

    wish = DubWish(dub=span, speech=SpeechChoice(file="line.wav"))
    problems = check(wish, findings)

Neither shows pictures nor runs a job: a wish without blocking problems becomes job data.
"""
