"""Structure files into the array shards that training reads."""
