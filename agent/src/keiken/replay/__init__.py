"""Replaying an experience without a model, and proving its scenarios.

Nothing is imported here: most commands only need the shape of a report, and the engine is half of what could be loaded.
"""
