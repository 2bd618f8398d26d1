"""What several tests share: factories, wires, commands. Holds no test."""
