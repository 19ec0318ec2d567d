"""Server-rendered pages: they parse, ask access, call one use case, render."""
