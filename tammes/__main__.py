"""`python -m tammes`."""

from tammes.cli.main import main

main()
