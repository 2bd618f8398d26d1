"""Which campaign responds to a request. Pure."""
