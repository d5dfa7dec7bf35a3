"""What is measured, each a program that takes one JSON argument and prints what it spent."""
