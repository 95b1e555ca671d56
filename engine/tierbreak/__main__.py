"""`python -m tierbreak` is the command `tierbreak`."""

from tierbreak.cli import main

if __name__ == "__main__":
    main()
