"""How resources of one provider are read, for all controls that look at them."""
