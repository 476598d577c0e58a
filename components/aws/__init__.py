"""What the vault is made of on AWS."""
