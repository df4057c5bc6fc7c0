from tests.front.conftest import Place, place

__all__ = ["Place", "place"]
