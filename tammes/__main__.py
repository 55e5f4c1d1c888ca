"""`python -m tammes`."""

from tammes.cli import main

main()
