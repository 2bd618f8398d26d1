"""One module per operation of the HTTP API."""
