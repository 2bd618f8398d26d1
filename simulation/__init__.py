"""Lambda's and Kinesis' rules in memory, and the chaos run on top of them. Nothing here is deployed."""
