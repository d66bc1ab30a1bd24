"""Where timelines come from and go to: one small module for each editor."""
