"""What stands in the way of a start, found before it: many small checks of one model directory and this machine."""
