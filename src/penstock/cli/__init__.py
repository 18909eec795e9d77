"""The command ``penstock``: one module for each group of commands, listed in main.py."""
