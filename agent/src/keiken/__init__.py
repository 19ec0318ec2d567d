"""Keiken: record a procedure once, prove it again and again, replay it without a model."""

__version__ = "0.1.0"
