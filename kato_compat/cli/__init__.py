"""The command line: `kato-compat`, and the demonstration with its text."""
