"""The config dialect: the whole configuration as one resource, merge patches of it, and the list of servers."""
