"""Poses as the pictures come: from a camera to a window, to programs, to avatars."""
