"""`python -m asegen.cli`: the command `asegen`, where its script is not on the path."""

from asegen.cli.main import main

main()
