"""Parts of the whole, each beside another way of doing the same: appending, relaying."""
