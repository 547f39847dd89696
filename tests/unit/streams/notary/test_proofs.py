"""Offline proofs: read back as written, checked with the log's key alone, refused if altered."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from consumers.audit.prove import Proven, at_place, by_id, prove
from streams.notary import notes, proofs
from streams.notary.directory import LogDirectory
from streams.notary.notes import NoteInvalid
from streams.notary.proofs import InclusionProof
from streams.notary.tree import ProofInvalid
from tests.support.audit_log import KEY, LOG, ORIGIN, entry, grow

SIZE = 700


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("proofs") / "log"
    grow(made, [entry(number) for number in range(SIZE)])
    return made


def proven(folder: Path, number: int) -> Proven:
    found = prove(LogDirectory(folder).read, LOG, by_id(str(number)))
    assert found is not None
    return found


@pytest.mark.parametrize("number", [0, 1, 255, 256, 511, 699])
def test_a_proof_needs_nothing_but_the_leaf_and_the_logs_key(folder: Path, number: int) -> None:
    found = proven(folder, number)
    assert (found.index, found.entry) == (number, entry(number))
    checkpoint = proofs.check(proofs.read(found.proof), found.entry, LOG)
    assert checkpoint.size == SIZE
    assert found.proof.startswith(b"c2sp.org/tlog-proof@v1\nindex %d\n" % number)


def test_a_record_is_found_by_its_place_in_kafka(folder: Path) -> None:
    found = prove(LogDirectory(folder).read, LOG, at_place("dpp.access.audited", 1, 30))
    assert found is not None
    assert found.index == 21


def test_what_the_log_does_not_have_is_not_proven(folder: Path) -> None:
    assert prove(LogDirectory(folder).read, LOG, by_id("never")) is None


def test_another_leaf_index_path_or_key_is_refused_bad(folder: Path) -> None:
    proof = proofs.read(proven(folder, 300).proof)
    with pytest.raises(ProofInvalid):
        proofs.check(proof, entry(301), LOG)
    moved = InclusionProof(301, proof.path, proof.checkpoint)
    cut = InclusionProof(300, proof.path[:-1], proof.checkpoint)
    for altered in (moved, cut):
        with pytest.raises(ProofInvalid):
            proofs.check(altered, entry(300), LOG)
    other = notes.verifier(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
    with pytest.raises(NoteInvalid):
        proofs.check(proof, entry(300), other)
    witness = notes.verifier("witness.example", KEY, notes.COSIGNATURE)
    with pytest.raises(NoteInvalid, match="0 of the 1 witnesses"):
        proofs.check(proof, entry(300), LOG, [witness], needed=1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\nindex 1\n",
        b"c2sp.org/tlog-proof@v2\nindex 1\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nindex 01\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nindex 1\nno base64\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nextra ?\nindex 1\n\ncheckpoint",
        b"c2sp.org/tlog-proof@v1\nindex 1\n\xff\n\ncheckpoint",
        bytes(proofs.MAX_PROOF_BYTES + 1),
    ],
)
def test_a_file_of_another_form_is_refused_bad(data: bytes) -> None:
    with pytest.raises(ProofInvalid):
        proofs.read(data)


@given(
    st.builds(
        InclusionProof,
        index=st.integers(0, 2**60),
        path=st.lists(st.binary(min_size=32, max_size=32), max_size=6).map(tuple),
        checkpoint=st.binary(max_size=50),
        extra=st.none() | st.binary(max_size=10),
    )
)
def test_a_proof_comes_back_as_it_was(proof: InclusionProof) -> None:
    assert proofs.read(proofs.write(proof)) == proof


@given(st.binary(max_size=80))
def test_any_bytes_are_a_proof_that_prints_back_or_refused_bad(noise: bytes) -> None:
    for data in (noise, b"c2sp.org/tlog-proof@v1\nindex 5\n" + noise + b"\n\nx"):
        try:
            proof = proofs.read(data)
        except ProofInvalid:
            continue
        assert proofs.write(proof) == data
