"""One module per type of stream record."""
