"""Commands of the command line that fill a module each."""
