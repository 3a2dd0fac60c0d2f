"""HTTP with limits: bounded answers, and no way from a public server into a private network."""
