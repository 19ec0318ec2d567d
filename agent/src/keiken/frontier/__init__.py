"""Where the conditions of a package really end: the same scenarios in places on both sides of what it declares."""
