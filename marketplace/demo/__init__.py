"""The demo: the main job on the real examples, told as a story. Everything in it is the product's own doing."""
