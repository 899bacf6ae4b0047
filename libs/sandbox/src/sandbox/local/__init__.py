"""The whole of feedmill as processes of this machine."""
