from tests.broker.house import ask, desk

__all__ = ["ask", "desk"]
