"""Which culture painted this? Experiments on paintings, from museums to figures."""

__version__ = "0.1.0"
