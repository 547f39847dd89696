"""Lives of subjects to fold: consents, links and mandates that begin, are accepted and end."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from projections.folds import access_state
from projections.folds.access_state import Recorded
from projections.folds.changes import Change
from schemas import subject as facts

SUBJECTS = ("a" * 26, "b" * 26)
PARTY = "c" * 26
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LINK: dict[str, object] = {
    "party": PARTY,
    "party_kind": "professional",
    "link_type": "consultation",
    "valid_from": NOON,
    "valid_until": NOON.replace(year=2027),
}
MANDATE: dict[str, object] = {
    "holder": PARTY,
    "holder_kind": "citizen",
    "mandate_type": "prescription",
}
PARENT: dict[str, object] = {
    "party": PARTY,
    "consent_until": NOON.replace(year=2030),
    "valid_until": NOON.replace(year=2032),
}
EXCLUSION: dict[str, object] = {"party": PARTY, "party_kind": "professional"}
_KINDS: list[tuple[type[facts.SubjectFact], str | None, dict[str, object]]] = [
    (facts.ConsentGiven, None, {}),
    (facts.ConsentWithdrawn, None, {}),
    (facts.LinkDeclared, "link", LINK),
    (facts.LinkRevoked, "link", {}),
    (facts.ExclusionPut, "exclusion", EXCLUSION),
    (facts.ExclusionLifted, "exclusion", {}),
    (facts.MandateGranted, "mandate", MANDATE),
    (facts.MandateAccepted, "mandate", {}),
    (facts.MandateRefused, "mandate", {}),
    (facts.MandateEnded, "mandate", {}),
    (facts.ParentDeclared, "parent", PARENT),
    (facts.ParentRevoked, "parent", {}),
    (facts.DeathDeclared, "death", {}),
    (facts.DeathAnnulled, "death", {}),
    (facts.IdentityMerged, "merge", {"other": PARTY, "side": "replaced"}),
    (facts.MergeRevoked, "merge", {}),
]


@st.composite
def state_logs(draw: st.DrawFn, subject: str | None = None) -> list[tuple[Change, ...]]:
    """The changes of each event in order, each delivered one to three times.

    Ids come from a small set, so that what ends a row is mostly about one that is there; an id that
    was ended may begin again, and what ends may name nothing.
    """
    log: list[tuple[Change, ...]] = []
    for position in range(draw(st.integers(1, 14))):
        model, member, own = draw(st.sampled_from(_KINDS))
        who = subject or draw(st.sampled_from(SUBJECTS))
        named = {} if member is None else {member: f"{member}-number-{draw(st.integers(1, 2))}"}
        fact = model.model_validate(
            {
                "subject": who,
                "generation": draw(st.integers(1, 2)),
                "author_role": "patient",
                "author": who,
                "sealed": "AAAA",
                **own,
                **named,
            }
        )
        recorded = Recorded(0, position, NOON, f"subject/0/{position}/0")
        log += [access_state.fold(fact, recorded)] * draw(st.integers(1, 3))
    return log
