"""One network at a time: its settings, losses and batches, and the loop that trains it.

    network = train_lip_motion(preset.lip_motion, face_model, clips, check, space.run("lip-motion"))

Knows prepared clips and a run's folder, not the order of a training: that is `steps`. May not touch
`measures` or anything above.
"""
