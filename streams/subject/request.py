"""What a decision about a subject is asked, and how it refuses; shared by the deciding modules."""

from dataclasses import dataclass
from typing import Generic, TypedDict, TypeVar

from schemas.registrations import Author, AuthorRole, ErasureRole, Registration
from streams.subject.codes import Finding
from streams.subject.parties import Parties
from streams.subject.state import SubjectState


@dataclass(frozen=True, slots=True)
class Request:
    """One registration about a subject; `id` names what it declares."""

    id: str
    subject: str
    registration: Registration
    parties: Parties

    @property
    def party(self) -> str:
        """The pseudonym of whom the registration is about; only those that name one ask."""
        if self.parties.party is None:
            raise AssertionError("this registration names a party, which was resolved with it")
        return self.parties.party


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a registration becomes no fact."""

    findings: tuple[Finding, ...]


def refuse(code: str, path: str = "") -> Refusal:
    """A refusal for one reason."""
    return Refusal((Finding(code, path),))


Role = TypeVar("Role", AuthorRole, ErasureRole)


class Common(TypedDict, Generic[Role]):
    """Members of every fact; `sealed` is filled in by whoever holds the key."""

    subject: str
    generation: int
    author_role: Role
    author: str
    sealed: str


def common(state: SubjectState, request: Request) -> Common[AuthorRole]:
    """What every fact about this request says, unless it is an erasure's."""
    author = request.registration.author
    if not isinstance(author, Author):
        raise AssertionError("officers take part in erasures only")  # noqa: TRY004 - a contract
    return common_by(author.role, state, request)


def common_by(role: Role, state: SubjectState, request: Request) -> Common[Role]:
    """What every fact says about this request of somebody in that role."""
    return {
        "subject": request.subject,
        "generation": state.generation,
        "author_role": role,
        "author": request.parties.author,
        "sealed": "",
    }
