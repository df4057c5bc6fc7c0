from tests.qpu.conftest import bell, server

__all__ = ["bell", "server"]
