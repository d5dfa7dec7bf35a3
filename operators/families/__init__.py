"""What is particular to a family of SDKs, a folder each. No family imports another."""
