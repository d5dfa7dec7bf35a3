"""What only the recording knows: entries found in a segment at arrival, and the rows that a window makes of them."""
