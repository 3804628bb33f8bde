"""What crosses rooms, one typed definition each."""
