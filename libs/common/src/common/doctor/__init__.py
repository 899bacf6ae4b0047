"""`feedmill doctor`: looks at everything that an installation needs, and says of each what is wrong and what helps."""
