"""Where reading goes on, what the receive clock says, and when the input is not to be believed."""
