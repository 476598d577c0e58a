"""What a stack file may say: parsed once, at the start, into frozen models."""
