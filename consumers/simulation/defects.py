"""The stated share of every kind of defect and life-cycle step, and the plan that holds all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consumers.simulation import damage, faults, steps
from consumers.simulation.damage import Plant, damaged, malformed
from consumers.simulation.drafting import Draft, Planner, finish
from consumers.simulation.faults import preparation, spoilt
from consumers.simulation.plan import Plan, Stream
from consumers.simulation.population import (
    CAST,
    Population,
    SimulationSize,
    populate,
    seeded,
)
from consumers.simulation.wrong import LINES
from consumers.simulation.wrong import PREPARATIONS as CHANGES
from consumers.simulation.year import Visit, new_guid, visits
from schemas.policy import baseline
from schemas.receipts import LineResult

RECENT_DAYS: Final = 150
"""The demo's patient has its own corrections and revocation within so many days."""
_LAPSED_SHARE: Final = 0.0004
_RARE: Final = 0.0005


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of plant; `share` is the part of the ordinary visits that get one, at least one.

    `most` limits those whose records are very large.
    """

    name: str
    share: float
    plant: Plant
    most: int | None = None

    def count(self, ordinary: int) -> int:
        """How many are planted among so many ordinary visits."""
        wanted = max(1, round(self.share * ordinary))
        return wanted if self.most is None else min(wanted, self.most)


def _line(name: str, kind: str, code: str, result: LineResult = "recorded") -> Kind:
    return Kind(name, _RARE, spoilt(kind, code, LINES[code], result))


def _preparation(name: str, kind: str, code: str) -> Kind:
    return Kind(name, _RARE, preparation(kind, code, CHANGES[code]))


PREPARATIONS: Final = (
    _line("preparation of nothing", "nothing", "MAGISTRAL_EMPTY", "rejected"),
    _preparation("preparation twice told", "twice_told", "MAGISTRAL_AMBIGUOUS"),
    _preparation("preparation without form", "no_form", "GALENIC_FORM_MISSING"),
    _preparation("ingredients out of order", "disorder", "COMPOUND_ORDER_DOUBTFUL"),
    _preparation("ingredient unnamed", "unnamed", "COMPOUND_UNNAMED"),
    _preparation("ingredient unknown", "unknown", "COMPOUND_CNK_UNKNOWN"),
    _preparation("ingredient unmeasured", "unmeasured", "COMPOUND_QUANTITY_DOUBTFUL"),
    _line("code in words", "code_in_words", "UNREGISTERED_DOUBTFUL"),
)
"""Products that are doubtful in what is said of them."""
PACKS: Final = (
    _line("regimen", "regimen", "REGIMEN_DOUBTFUL"),
    _line("expired", "expired", "PRODUCT_EXPIRED"),
    _line("expiry", "expiry", "EXPIRY_INVALID"),
    _line("batch", "batch", "BATCH_DOUBTFUL"),
    _line("GTIN", "gtin", "GTIN_INVALID"),
    _line("barcode", "scan", "SCAN_INVALID"),
    _line("barcode that differs", "scan_differs", "SCAN_DIFFERS"),
)
"""Doubtful packs and regimens, recorded with a warning."""
KINDS: Final = (
    Kind("correction", 0.02, steps.correction),
    Kind("correction twice", 0.003, steps.correction_twice),
    Kind("correction onto another patient", 0.001, steps.correction_other_patient),
    Kind("correction repeated", 0.001, steps.correction_repeated),
    Kind("correction of a stale version", 0.002, steps.correction_stale),
    Kind("correction of an unknown line", 0.002, steps.correction_unknown),
    Kind("correction of a revoked line", 0.001, steps.correction_of_revoked),
    Kind("revocation", 0.01, steps.revocation),
    Kind("revocation of a revoked line", 0.001, steps.revocation_of_revoked),
    Kind("revocation repeated", 0.001, steps.revocation_repeated),
    Kind("revocation of an unknown line", 0.001, steps.revocation_unknown),
    Kind("revocation of a stale version", 0.001, steps.revocation_stale),
    Kind("revocation naming another patient", 0.001, steps.revocation_other_patient),
    Kind("revocation naming another visit", 0.001, steps.revocation_other_visit),
    Kind("return", 0.008, steps.returned),
    Kind("return of an unknown line", 0.001, steps.return_unknown),
    Kind("return that names no line", 0.001, steps.return_unnamed),
    Kind("return with positive units", 0.001, steps.return_positive),
    Kind("return of another patient's line", 0.001, steps.return_other_patient),
    Kind("return of another product", 0.001, steps.return_of_another_product),
    Kind("return of too many", 0.001, steps.return_too_many),
    Kind("line replay", 0.004, steps.line_replay),
    Kind("line replay with a new line", 0.002, steps.line_replay_with_new),
    Kind("line conflict", 0.004, steps.line_conflict),
    Kind("NISS checksum", 0.005, faults.niss_checksum),
    Kind("visit identifier", 0.001, faults.visit_guid),
    Kind("delivery in the future", 0.003, faults.delivery_in_future),
    Kind("delivery too old", 0.003, faults.delivery_too_old),
    Kind("product code", 0.006, faults.product_code),
    Kind("product unknown", 0.002, faults.product_unknown),
    Kind("product filtered", 0.002, faults.filtered),
    Kind("nothing but filtered", 0.001, faults.all_filtered),
    *PREPARATIONS,
    Kind("ingredient code", 0.001, faults.ingredient_code),
    Kind("units zero", 0.004, faults.units_zero),
    Kind("units implausible", 0.004, faults.units_implausible),
    Kind("prescriber", 0.004, faults.prescriber),
    Kind(
        "prescriber missing",
        0.002,
        spoilt("no_prescriber", "PRESCRIBER_MISSING", LINES["PRESCRIBER_MISSING"]),
    ),
    *PACKS,
    Kind("sex", 0.001, faults.other_sex),
    Kind("birth date", 0.001, faults.patient("birth_date", "BIRTH_DATE_DOUBTFUL", birth_date="x")),
    Kind("number of nobody", 0.001, faults.nobodys_number),
    Kind("prescription", 0.004, faults.prescription),
    Kind("line identifier", 0.001, faults.line_guid),
    Kind("line twice", 0.001, faults.line_twice),
    Kind("too many lines", 0.0004, faults.too_many_lines),
    Kind("message replay", 0.01, damage.message_replay),
    Kind("message resealed", 0.005, damage.message_resealed),
    Kind("number reused", 0.002, damage.number_reused),
    Kind("number and id reused", 0.001, damage.number_reused_same_id),
    Kind("id reused", 0.001, damage.id_reused),
    Kind("number lost", 0.004, damage.number_lost),
    Kind("number late", 0.01, damage.number_late),
    Kind("session out of order", 0.02, damage.out_of_order),
    Kind("truncated JSON", 0.0005, malformed("body_syntax", damage.syntax)),
    Kind("not UTF-8", 0.0005, malformed("body_not_utf8", damage.not_utf8)),
    Kind("random body", 0.0005, malformed("body_not_json", damage.not_json)),
    Kind("duplicate key", 0.0005, malformed("body_duplicate_key", damage.duplicate_key)),
    Kind("NaN", 0.0005, malformed("body_not_a_number", damage.not_a_number)),
    Kind("lone surrogate", 0.0005, malformed("body_surrogate", damage.surrogate)),
    Kind("number for text", 0.0005, malformed("body_number_for_text", damage.number_for_text)),
    Kind("member missing", 0.0005, malformed("body_member_missing", damage.member_missing)),
    Kind("no patient", 0.001, malformed("body_nobody", damage.nobody, "PATIENT_MISSING")),
    Kind("two patients", 0.001, malformed("body_two", damage.two, "MULTIPLE_PATIENTS")),
    Kind("depth 20,000", 0.0002, malformed("body_too_deep", damage.too_deep)),
    Kind("depth 100,000", 0.0002, damage.too_large, most=3),
    Kind("flipped bit", 0.001, damaged("seal_flipped_bit", "flipped_bit", "SEAL_BROKEN")),
    Kind("truncated ciphertext", 0.001, damaged("seal_cut_short", "cut_short", "SEAL_BROKEN")),
    Kind("wrong key", 0.001, damaged("seal_wrong_key", "wrong_key", "SEAL_BROKEN")),
    Kind("random bytes", 0.001, damaged("seal_random_bytes", "random_bytes", "SEAL_BROKEN")),
    Kind("tombstone", 0.0005, damaged("tombstone", "tombstone", "EMPTY_SUBMISSION")),
    Kind("5 MB", 0.0002, damaged("oversize", "oversize", "SUBMISSION_TOO_LARGE"), most=2),
    Kind("no key", 0.0005, damaged("key_missing", "no_key", "KEY_MISSING", dead_letter="no_key")),
    Kind("publisher unknown", 0.001, damage.stranger),
    Kind(
        "session unknown",
        0.001,
        damaged(
            "session_unknown", "unknown_session", "SESSION_UNKNOWN", dead_letter="unknown_session"
        ),
    ),
    Kind(
        "session expired", 0.001, damaged("session_expired", "expired_session", "SESSION_EXPIRED")
    ),
    Kind(
        "another's session", 0.0005, damaged("other_session", "other_session", "PUBLISHER_MISMATCH")
    ),
    Kind(
        "no session header",
        0.0005,
        damaged("no_session", "no_session_header", "HEADER_INVALID", dead_letter="no_session"),
    ),
    Kind("no headers", 0.0005, damaged("no_headers", "no_headers", "HEADER_INVALID")),
    Kind("header missing", 0.0005, damaged("header_missing", "time_missing", "HEADER_INVALID")),
    Kind("header doubled", 0.0005, damaged("header_doubled", "header_doubled", "HEADER_INVALID")),
    Kind("identifier of the message", 0.0005, damage.id_no_guid),
    Kind("event type", 0.0005, damage.type_unknown),
    Kind("sequence", 0.0005, damaged("sequence_text", "sequence_text", "SEQUENCE_INVALID")),
    Kind("partition", 0.0005, damaged("wrong_partition", "wrong_partition", "PARTITION_WRONG")),
)
"""Every kind with its share of the ordinary visits. Late arrivals need no planting: a year that is
published at once has eleven months of them. Each pharmacy's contract and the lapsed one's are in
`make_plan`."""


def make_plan(seed: int, size: SimulationSize, now: datetime) -> Plan:
    """The whole plan of a seed, as it is to be published at `now` (within the hour).

    The people are the seed's alone; messages, lines and epochs belong to the seed and `now`, so
    two years of one seed do not collide.

    Raises:
        ValueError: a size too small to plant every kind once.
    """
    policy = baseline("quality").quality
    population = populate(seed, size)
    planner = Planner(
        seeded(seed, now.isoformat(), "defects"),
        now,
        policy,
        population.persons[len(CAST) :],
        population.strangers,
    )
    ordinary = [planner.ordinary(one) for one in visits(seed, size, population, now, policy)]
    _plant(planner, population, ordinary)
    rng = seeded(seed, now.isoformat(), "epochs")
    streams = [
        Stream(one, finish(one.number, _epoch(new_guid(rng)), planner.drafts.get(one.number, ())))
        for one in population.pharmacies
    ]
    lapsed = finish(
        population.lapsed.number,
        _epoch(new_guid(rng)),
        _lapsed(planner, ordinary),
    )
    return Plan(seed, now, population, (*streams, Stream(population.lapsed, lapsed)))


def _epoch(guid: str) -> str:
    return f"sim-{guid}"


def _plant(planner: Planner, population: Population, ordinary: Sequence[Draft]) -> None:
    cast = {person.niss for person in population.persons[: len(CAST)]}
    _plant_persona(planner, population.persons[0].niss, ordinary)
    # Neither the first of a pharmacy nor its last: gaps need a number before and after.
    hosts = [
        draft
        for draft in ordinary
        if draft.visit.person.niss not in cast
        and 1 < draft.place < len(planner.visits[draft.visit.pharmacy]) - 1
    ]
    planner.rng.shuffle(hosts)
    for kind in KINDS:
        for _ in range(kind.count(len(ordinary))):
            if not hosts:
                raise ValueError(
                    "Too few visits to plant every kind of defect: simulate more lines."
                )
            kind.plant(planner, hosts.pop())


def _plant_persona(planner: Planner, niss: str, ordinary: Sequence[Draft]) -> None:
    """Two corrections and a revocation in the recent history of the demo's patient."""
    since = planner.now - timedelta(days=RECENT_DAYS)
    own = [
        draft
        for draft in ordinary
        if draft.visit.person.niss == niss and draft.visit.delivered_at > since
    ]
    wanted: tuple[Plant, ...] = (steps.correction, steps.revocation, steps.correction)
    for plant, host in zip(wanted, own, strict=False):
        plant(planner, host)


def _lapsed(planner: Planner, ordinary: Sequence[Draft]) -> list[Draft]:
    """What the pharmacy whose contract is over goes on sending."""
    drafts: list[Draft] = []
    for at in range(max(1, round(_LAPSED_SHARE * len(ordinary)))):
        visit: Visit = ordinary[at].visit
        draft = planner.barred("contract_over", visit, float(at), "CONTRACT_NOT_VALID")
        draft.numbering = "free"
        drafts.append(draft)
    return drafts
