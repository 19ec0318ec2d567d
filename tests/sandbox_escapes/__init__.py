"""Experiences that try to break out of their sandbox, and what is seen of it from outside."""
