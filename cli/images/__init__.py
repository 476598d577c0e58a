"""The images of the stack: built, looked into, pushed."""
