"""What is copied into the editors and runs in their own Pythons; it starts `stylesync host`.

    stylesync install blender

Imports nothing of ours: none of it is there.
"""
