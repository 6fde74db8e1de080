"""The list-servers dialect: the list of the seed, and the neighbours that its product documents."""
