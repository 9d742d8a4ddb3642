"""Access requests at work: asking, reviewing, deciding, assuming, searching, ending. The decisions: policy."""
