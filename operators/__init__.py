"""What happens to the data, pure: the verbs here, what they need in rooms of their own."""
