"""Stacks of CloudFormation: plans, their execution, and what they upload."""
