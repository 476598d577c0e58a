"""The CrossGuard pack: rules that stop a mistake before it is made. See README.md."""
