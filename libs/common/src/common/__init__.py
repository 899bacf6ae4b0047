"""What feedmill's services share; it imports none of them."""
