"""Files that every reader of a format must read alike, and readers in other languages."""
