"""Sandboxes that are Pods of a cluster, under a runtime class the operator names. Asked for by name only.

Imported light: its clients are loaded when a cluster is spoken to (``pip install keiken[kubernetes]``).
"""
