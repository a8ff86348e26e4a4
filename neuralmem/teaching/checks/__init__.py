"""Checks of the exercises, a file a chapter; `judge` is what they share."""
