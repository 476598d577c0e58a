"""Who was primary when, and why it changed: watched, kept and published."""
