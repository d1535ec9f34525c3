"""One subnet trained on: from shared weights or from scratch, and for int8 arithmetic."""
