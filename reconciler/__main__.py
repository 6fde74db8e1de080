"""`python -m reconciler`: the command line, for when the installed command is not on the path."""

from reconciler.faces.cli.main import main

if __name__ == "__main__":
    main()
