"""Controls of objects of a Docker Engine."""
