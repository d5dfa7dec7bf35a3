"""What happens to the data: decode, session windows, rows, totals, replay cut. Pure but for one engine adapter."""
