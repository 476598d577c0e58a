"""Controls of resources on AWS."""
