"""`python -m flows.cli COMMAND`: the same as `replaylake COMMAND`."""

from flows.cli.main import main

if __name__ == "__main__":
    main()
