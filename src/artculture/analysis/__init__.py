"""Inside a trained model: what it sees, how near cultures stand to one another, and what that is worth."""
