"""Products of the shop family: from raw JSON to typed rows, and what the shop tables must become."""
