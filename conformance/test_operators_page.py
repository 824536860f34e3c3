"""The committed page of operators is the one that the operators would write."""

from conformance.operators import TARGET, text


def test_the_page_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == text(), "run: python -m conformance.operators"
