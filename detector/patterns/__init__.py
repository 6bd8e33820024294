"""What a secret of each family looks like, and what tells it from its look-alikes."""
