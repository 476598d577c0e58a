"""Controls of resources of any provider."""
