"""The shipped sample as a version of the catalogue, so that all runs without a SAM export."""

import hashlib
from datetime import date
from importlib import resources
from typing import Any, Final

from consumers.catalogue.catalogue import FORMULARY_CODE, MAGISTRAL_CODE, Medicine, load
from infra.catalogue import loading
from infra.catalogue.memory import MemoryCatalogue
from schemas.catalogue import PUBLIC_PHARMACY, CatalogueEntry, EntryKind

VERSION: Final = "sample/1"
"""Name of the version; a sample with other content gets another name."""
VALID_FROM: Final = date(2013, 1, 1)
"""First day of every entry: the codes stood in the product filter of that year."""


def _test_product(cnk: str, **said: Any) -> CatalogueEntry:
    names = {"fr": f"Produit d'essai {cnk}", "nl": f"Testproduct {cnk}"}
    known = {"status": "authorized", "environments": (PUBLIC_PHARMACY,), **said}
    return CatalogueEntry(cnk, VALID_FROM, kind="medicine", names=names, **known)


ENDED: Final = _test_product("4999918", valid_until=date(2014, 12, 31))
SUSPENDED: Final = _test_product("4999926", status="suspended")
WITHDRAWN: Final = _test_product("4999934", status="revoked")
HOSPITAL_ONLY: Final = _test_product("4999942", environments=("H",))
TEST_PRODUCTS: Final = (ENDED, SUSPENDED, WITHDRAWN, HOSPITAL_ONLY)
"""Products that do not exist, of which the catalogue says what no product of the sample's is."""


def entries() -> tuple[CatalogueEntry, ...]:
    """The sample's entries, by code; the last are `TEST_PRODUCTS`."""
    return (*(_entry(medicine) for medicine in load()), *TEST_PRODUCTS)


def sample_catalogue() -> MemoryCatalogue:
    """A catalogue in memory that knows `sample/1` and nothing else."""
    return MemoryCatalogue({VERSION: entries()})


async def ensure_sample(dsn: str) -> loading.Loaded:
    """Loads the sample into a migrated database unless it is there.

    Raises:
        DatabaseUnavailable: the database does not answer.
        LoadRefused: it holds another sample under this name, or the load ended early.
    """
    content = (resources.files("consumers.catalogue") / "medicines.csv").read_bytes()
    whole = hashlib.sha256(content + repr(TEST_PRODUCTS).encode())
    origin = loading.Origin("medicines.csv", whole.hexdigest())
    return await loading.load(dsn, VERSION, origin, entries())


def _entry(medicine: Medicine) -> CatalogueEntry:
    names = {"fr": medicine.name_fr, "nl": medicine.name_nl}
    kind = _kind(medicine)
    return CatalogueEntry(
        medicine.cnk,
        VALID_FROM,
        kind=kind,
        names={language: name for language, name in names.items() if name},
        atc=medicine.atc,
        pack=medicine.pack,
        form=medicine.form,
        status="authorized" if kind in {"medicine", "homeopathic"} else None,
        environments=(PUBLIC_PHARMACY,),
    )


def _kind(medicine: Medicine) -> EntryKind:
    if medicine.cnk in {MAGISTRAL_CODE, FORMULARY_CODE}:
        return "preparation"
    return "ingredient" if medicine.kind == "magistral_ingredient" else medicine.kind
