"""A broker and an S3 server on this machine, for the demo and the tests. Never in production."""
