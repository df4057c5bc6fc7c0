from tests.qpu.conftest import server

__all__ = ["server"]
