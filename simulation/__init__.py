"""The rules of Lambda and Kinesis in memory, and the chaos run on top of them. Never packaged."""
