import pytest

from simo2_core.bench import products
from simo2_core.bench.products import ALLOWED, largest_errors, products_in_force, require_right_products
from simo2_core.errors import WrongNumbersError

pytestmark = pytest.mark.optimised


def test_this_machine_is_fit():
    assert max(largest_errors().values()) < ALLOWED
    require_right_products()
    assert products_in_force()


@pytest.mark.parametrize("wrong", [0.036, 1e29, float("nan")])
@pytest.mark.parametrize("name", ["squares of products", "products with spread values"])
def test_a_machine_that_is_wrong_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, wrong: float):
    errors = {"squares of products": 1e-7, "products with spread values": 1e-7, name: wrong}
    monkeypatch.setattr(products, "largest_errors", lambda: errors)
    with pytest.raises(WrongNumbersError, match=rf"not fit.*{name} are off by {wrong:.1e}".replace("+", r"\+")):
        require_right_products()


def test_a_wrong_program_is_seen(monkeypatch: pytest.MonkeyPatch):
    """As a device of any kind would show it: what is measured is what comes out."""
    monkeypatch.setattr(products, "jit", lambda pattern: lambda *operands: 1.04 * pattern(*operands))
    assert min(largest_errors().values()) > 0.03
