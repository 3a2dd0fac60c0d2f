"""`python -m artculture` is the `artculture` command."""

from artculture.cli import entry

entry()
