"""Search in memory: what holds here, among a million versions, by words, facts and figures.

``index`` answers queries over plain arrays and knows no database; ``shelf`` keeps one index of this process in step
with the database; ``find`` is what the layers above call.
"""
