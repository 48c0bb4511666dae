"""What an operator can set: the table, where values come from, and how to explain them."""
