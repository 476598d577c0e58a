"""Controls of objects in a Kubernetes cluster."""
