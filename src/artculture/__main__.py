"""`python -m artculture` is the `artculture` command."""

from artculture.cli import entry

if __name__ == "__main__":  # a process forked for a run imports this module, too
    entry()
