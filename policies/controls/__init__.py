"""One module a control; its path is its name. Found by themselves, see discover.py."""
