"""Who we are to remote servers: a person who signs in with a browser, or a program with its own secret."""
