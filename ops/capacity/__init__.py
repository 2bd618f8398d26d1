"""What a load needs on AWS, by calculation: shards, calls, price. It measures nothing and calls no service.

docs/capacity.md explains the calculation.
"""
