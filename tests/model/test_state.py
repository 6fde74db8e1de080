"""The values of the state: what was accepted, what lives, what is pinned."""

from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed, ObservedServer
from reconciler.model.pins import Pins


def test_before_the_first_apply_nothing_is_accepted() -> None:
    assert not Accepted().exists
    assert Accepted(lineage="x").exists
    assert Accepted().document == Document()


def test_without_an_engine_nothing_is_known() -> None:
    assert Observed() == Observed(engine=False, servers={})
    assert ObservedServer("a", "connecting").down is None
    assert Pins().digest is None
