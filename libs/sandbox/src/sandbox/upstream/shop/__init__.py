"""A stand-in for the shop of bot-igor.ru."""
