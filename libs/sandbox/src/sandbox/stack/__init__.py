"""A private RabbitMQ and PostgreSQL on free ports in folders of their own."""

from sandbox.stack.errors import MissingPackageError, NotReadyError, StackError
from sandbox.stack.stack import Stack, Vhost

__all__ = ["MissingPackageError", "NotReadyError", "Stack", "StackError", "Vhost"]
