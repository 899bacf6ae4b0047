"""A private RabbitMQ and PostgreSQL on free ports in folders of their own."""
