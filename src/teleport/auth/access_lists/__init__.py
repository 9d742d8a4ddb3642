"""Access lists at work: what they give at login, what is taken back from the living, members, reviews, notices."""
