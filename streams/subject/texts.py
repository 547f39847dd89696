"""What to tell a person about each code, in French, Dutch, German and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Texts(NamedTuple):
    """One sentence in each language."""

    fr: str
    nl: str
    de: str
    en: str


TEXTS: Final[Mapping[str, Texts]] = MappingProxyType(
    {
        "KEY_MISSING": Texts(
            "L'enregistrement n'a pas de clé.",
            "De registratie heeft geen sleutel.",
            "Die Registrierung hat keinen Schlüssel.",
            "The registration has no key.",
        ),
        "KEY_INVALID": Texts(
            "La clé n'est pas un pseudonyme.",
            "De sleutel is geen pseudoniem.",
            "Der Schlüssel ist kein Pseudonym.",
            "The key is not a pseudonym.",
        ),
        "EMPTY_SUBMISSION": Texts(
            "L'enregistrement est vide.",
            "De registratie is leeg.",
            "Die Registrierung ist leer.",
            "The registration is empty.",
        ),
        "SUBMISSION_TOO_LARGE": Texts(
            "L'enregistrement est trop volumineux.",
            "De registratie is te groot.",
            "Die Registrierung ist zu groß.",
            "The registration is too large.",
        ),
        "HEADER_INVALID": Texts(
            "Un en-tête manque, est double ou n'est pas valable.",
            "Een header ontbreekt, is dubbel of ongeldig.",
            "Ein Header fehlt, ist doppelt oder ungültig.",
            "A header is missing, doubled or invalid.",
        ),
        "EVENT_TYPE_UNKNOWN": Texts(
            "Le type d'enregistrement est inconnu.",
            "Het type registratie is onbekend.",
            "Die Art der Registrierung ist unbekannt.",
            "The type of registration is unknown.",
        ),
        "PARTITION_WRONG": Texts(
            "L'enregistrement se trouve dans une autre partition que sa clé.",
            "De registratie staat in een andere partitie dan haar sleutel.",
            "Die Registrierung steht in einer anderen Partition als ihr Schlüssel.",
            "The registration is in another partition than its key's.",
        ),
        "PUBLISHER_UNKNOWN": Texts(
            "L'émetteur n'est pas inscrit.",
            "De verzender is niet ingeschreven.",
            "Der Absender ist nicht eingeschrieben.",
            "The publisher is not enrolled.",
        ),
        "PUBLISHER_MISMATCH": Texts(
            "Cet émetteur ne peut pas enregistrer.",
            "Deze verzender mag niet registreren.",
            "Dieser Absender darf nicht registrieren.",
            "This publisher may not register.",
        ),
        "SESSION_UNKNOWN": Texts(
            "La session est inconnue.",
            "De sessie is onbekend.",
            "Die Sitzung ist unbekannt.",
            "The session is unknown.",
        ),
        "SESSION_EXPIRED": Texts(
            "La session n'est plus valable.",
            "De sessie is niet meer geldig.",
            "Die Sitzung ist nicht mehr gültig.",
            "The session is no longer valid.",
        ),
        "CONTRACT_NOT_VALID": Texts(
            "Aucun contrat ne couvre ce type d'enregistrement.",
            "Geen contract dekt dit type registratie.",
            "Kein Vertrag deckt diese Art der Registrierung.",
            "No contract covers this type of registration.",
        ),
        "SEAL_BROKEN": Texts(
            "Le scellé ne s'ouvre pas.",
            "De verzegeling gaat niet open.",
            "Das Siegel lässt sich nicht öffnen.",
            "The seal does not open.",
        ),
        "ID_REUSED": Texts(
            "Cet identifiant désigne un autre enregistrement.",
            "Dit nummer staat voor een andere registratie.",
            "Diese Kennung steht für eine andere Registrierung.",
            "This id stands for another registration.",
        ),
        "REGISTRATION_MALFORMED": Texts(
            "Le contenu n'est pas lisible.",
            "De inhoud is niet leesbaar.",
            "Der Inhalt ist nicht lesbar.",
            "The content cannot be read.",
        ),
        "PARTY_INVALID": Texts(
            "Le numéro de cette personne ou organisation n'est pas valable.",
            "Het nummer van deze persoon of organisatie is ongeldig.",
            "Die Nummer dieser Person oder Organisation ist ungültig.",
            "The number of this person or organisation is not valid.",
        ),
        "AUTHOR_NOT_ALLOWED": Texts(
            "L'auteur ne peut pas enregistrer ceci.",
            "De auteur mag dit niet registreren.",
            "Der Verfasser darf dies nicht registrieren.",
            "The author may not register this.",
        ),
        "EVIDENCE_MISSING": Texts(
            "La preuve manque.",
            "Het bewijs ontbreekt.",
            "Der Nachweis fehlt.",
            "The evidence is missing.",
        ),
        "CONSENT_ALREADY_GIVEN": Texts(
            "Le consentement est déjà donné.",
            "De toestemming is al gegeven.",
            "Die Einwilligung ist bereits erteilt.",
            "Consent is already given.",
        ),
        "CONSENT_NOT_GIVEN": Texts(
            "Il n'y a pas de consentement à retirer.",
            "Er is geen toestemming om in te trekken.",
            "Es gibt keine Einwilligung zu widerrufen.",
            "There is no consent to withdraw.",
        ),
        "LINK_TYPE_PARTY_MISMATCH": Texts(
            "Ce type de lien ne convient pas à cette partie.",
            "Dit type relatie past niet bij deze partij.",
            "Diese Art der Beziehung passt nicht zu dieser Partei.",
            "This type of link does not suit this party.",
        ),
        "LINK_IN_FUTURE": Texts(
            "Le lien commence dans le futur.",
            "De relatie begint in de toekomst.",
            "Die Beziehung beginnt in der Zukunft.",
            "The link starts in the future.",
        ),
        "LINK_OVER": Texts(
            "Ce lien est déjà terminé.",
            "Deze relatie is al voorbij.",
            "Diese Beziehung ist bereits vorbei.",
            "This link is already over.",
        ),
        "LINK_EXISTS": Texts(
            "Un tel lien est déjà en cours.",
            "Zo'n relatie loopt al.",
            "Eine solche Beziehung besteht bereits.",
            "Such a link is already in force.",
        ),
        "LINK_UNKNOWN": Texts(
            "Ce lien est inconnu.",
            "Deze relatie is onbekend.",
            "Diese Beziehung ist unbekannt.",
            "This link is unknown.",
        ),
        "LINK_ALREADY_REVOKED": Texts(
            "Ce lien est déjà révoqué.",
            "Deze relatie is al ingetrokken.",
            "Diese Beziehung ist bereits widerrufen.",
            "This link is already revoked.",
        ),
        "EXCLUSION_EXISTS": Texts(
            "Cette partie est déjà exclue.",
            "Deze partij is al uitgesloten.",
            "Diese Partei ist bereits ausgeschlossen.",
            "This party is already excluded.",
        ),
        "EXCLUSION_UNKNOWN": Texts(
            "Cette exclusion est inconnue ou levée.",
            "Deze uitsluiting is onbekend of opgeheven.",
            "Dieser Ausschluss ist unbekannt oder aufgehoben.",
            "This exclusion is unknown or lifted.",
        ),
        "SELF_MANDATE": Texts(
            "On ne se donne pas mandat à soi-même.",
            "Niemand geeft zichzelf een mandaat.",
            "Niemand erteilt sich selbst ein Mandat.",
            "Nobody gives themselves a mandate.",
        ),
        "MANDATE_PERIOD_INVALID": Texts(
            "Le mandat finirait avant de commencer.",
            "Het mandaat zou eindigen voor het begint.",
            "Das Mandat würde enden, bevor es beginnt.",
            "The mandate would end before it begins.",
        ),
        "MANDATE_UNKNOWN": Texts(
            "Ce mandat est inconnu.",
            "Dit mandaat is onbekend.",
            "Dieses Mandat ist unbekannt.",
            "This mandate is unknown.",
        ),
        "MANDATE_HOLDER_MISMATCH": Texts(
            "Seul le mandataire désigné peut faire ceci.",
            "Alleen de aangewezen mandaathouder mag dit doen.",
            "Nur der benannte Mandatsträger darf dies tun.",
            "Only the named holder may do this.",
        ),
        "MANDATE_NOT_WAITING": Texts(
            "Le mandat est déjà accepté.",
            "Het mandaat is al aanvaard.",
            "Das Mandat ist bereits angenommen.",
            "The mandate is already accepted.",
        ),
        "MANDATE_ENDED": Texts(
            "Le mandat a pris fin.",
            "Het mandaat is beëindigd.",
            "Das Mandat ist beendet.",
            "The mandate has ended.",
        ),
        "NO_MANDATE": Texts(
            "Il n'y a pas de mandat actif pour cette personne.",
            "Er is geen actief mandaat voor deze persoon.",
            "Es gibt keine aktive Vollmacht für diese Person.",
            "There is no active mandate for this person.",
        ),
        "PROOF_NOT_ALLOWED": Texts(
            "Cette preuve ne suffit pas pour ce type de lien.",
            "Dit bewijs volstaat niet voor dit type relatie.",
            "Dieser Nachweis genügt nicht für diese Art von Beziehung.",
            "This proof is not enough for this type of link.",
        ),
        "AGE_BELOW_CONSENT": Texts(
            "La personne est trop jeune pour enregistrer elle-même son consentement.",
            "De persoon is te jong om de toestemming zelf te registreren.",
            "Die Person ist zu jung, um die Zustimmung selbst zu registrieren.",
            "The person is too young to register consent in person.",
        ),
        "NOT_A_PARENT": Texts(
            "L'auteur n'est pas un parent qui peut agir pour cette personne.",
            "De auteur is geen ouder die voor deze persoon mag handelen.",
            "Der Autor ist kein Elternteil, der für diese Person handeln darf.",
            "The author is no parent who may act for this person.",
        ),
        "CHILD_CONSENTS_ITSELF": Texts(
            "À cet âge, l'enfant enregistre lui-même son consentement.",
            "Op deze leeftijd registreert het kind de toestemming zelf.",
            "In diesem Alter registriert das Kind die Zustimmung selbst.",
            "At this age the child registers its consent itself.",
        ),
        "SELF_PARENT": Texts(
            "Personne n'est son propre parent.",
            "Niemand is zijn eigen ouder.",
            "Niemand ist der eigene Elternteil.",
            "Nobody is their own parent.",
        ),
        "CHILD_BORN_LATER": Texts(
            "La date de naissance est dans le futur.",
            "De geboortedatum ligt in de toekomst.",
            "Das Geburtsdatum liegt in der Zukunft.",
            "The date of birth lies in the future.",
        ),
        "CHILD_OF_AGE": Texts(
            "À cet âge, les parents n'agissent plus pour leur enfant.",
            "Op deze leeftijd handelen de ouders niet meer voor hun kind.",
            "In diesem Alter handeln die Eltern nicht mehr für ihr Kind.",
            "At this age the parents no longer act for their child.",
        ),
        "PARENT_EXISTS": Texts(
            "Ce parent est déjà enregistré.",
            "Deze ouder is al geregistreerd.",
            "Dieser Elternteil ist bereits registriert.",
            "This parent is registered already.",
        ),
        "PARENT_UNKNOWN": Texts(
            "Ce parent n'est pas enregistré.",
            "Deze ouder is niet geregistreerd.",
            "Dieser Elternteil ist nicht registriert.",
            "This parent is not registered.",
        ),
        "SUBJECT_DECEASED": Texts(
            "Un décès est enregistré pour cette personne.",
            "Voor deze persoon is een overlijden geregistreerd.",
            "Für diese Person ist ein Todesfall registriert.",
            "A death is registered for this person.",
        ),
        "DEATH_UNKNOWN": Texts(
            "Ce décès n'est pas enregistré.",
            "Dit overlijden is niet geregistreerd.",
            "Dieser Todesfall ist nicht registriert.",
            "This death is not registered.",
        ),
        "SELF_MERGE": Texts(
            "Un numéro ne se fusionne pas avec lui-même.",
            "Een nummer wordt niet met zichzelf samengevoegd.",
            "Eine Nummer wird nicht mit sich selbst zusammengeführt.",
            "A number is not merged with itself.",
        ),
        "MERGE_EXISTS": Texts(
            "Ces numéros sont déjà fusionnés ou en cours de fusion.",
            "Deze nummers zijn al samengevoegd of worden samengevoegd.",
            "Diese Nummern sind bereits zusammengeführt oder werden es gerade.",
            "These numbers are merged already, or are being merged.",
        ),
        "MERGE_UNKNOWN": Texts(
            "Cette fusion n'est pas enregistrée.",
            "Deze samenvoeging is niet geregistreerd.",
            "Diese Zusammenführung ist nicht registriert.",
            "This merge is not registered.",
        ),
        "SUBJECT_MERGED": Texts(
            "Ce numéro a été remplacé par un autre.",
            "Dit nummer werd door een ander vervangen.",
            "Diese Nummer wurde durch eine andere ersetzt.",
            "This number was replaced by another.",
        ),
        "ERASURE_EXISTS": Texts(
            "Un effacement est déjà demandé pour cette personne.",
            "Er is al een wissing gevraagd voor deze persoon.",
            "Für diese Person ist bereits eine Löschung beantragt.",
            "An erasure is already asked for this person.",
        ),
        "ERASURE_UNKNOWN": Texts(
            "Cette demande d'effacement n'existe pas.",
            "Deze vraag tot wissing bestaat niet.",
            "Diesen Löschantrag gibt es nicht.",
            "There is no such request for erasure.",
        ),
        "ERASURE_OVER": Texts(
            "Cette demande d'effacement est close.",
            "Deze vraag tot wissing is afgesloten.",
            "Dieser Löschantrag ist abgeschlossen.",
            "This request for erasure is closed.",
        ),
        "ERASURE_OWN_REQUEST": Texts(
            "Une autre personne doit approuver cet effacement.",
            "Iemand anders moet deze wissing goedkeuren.",
            "Jemand anders muss dieser Löschung zustimmen.",
            "Somebody else has to agree to this erasure.",
        ),
        "ERASURE_APPROVED": Texts(
            "Cet effacement est déjà approuvé.",
            "Deze wissing is al goedgekeurd.",
            "Dieser Löschung wurde bereits zugestimmt.",
            "This erasure has been agreed to already.",
        ),
        "ERASURE_NOT_APPROVED": Texts(
            "Deux responsables doivent d'abord approuver cet effacement.",
            "Twee verantwoordelijken moeten deze wissing eerst goedkeuren.",
            "Zwei Verantwortliche müssen dieser Löschung erst zustimmen.",
            "Two officers have to agree to this erasure first.",
        ),
        "ERASURE_ON_HOLD": Texts(
            "Une obligation légale de conservation interdit l'effacement.",
            "Een wettelijke bewaarplicht verbiedt de wissing.",
            "Eine gesetzliche Aufbewahrungspflicht verbietet die Löschung.",
            "A legal hold forbids the erasure.",
        ),
        "HOLD_EXISTS": Texts(
            "Cette obligation de conservation existe déjà.",
            "Deze bewaarplicht bestaat al.",
            "Diese Aufbewahrungspflicht besteht bereits.",
            "This legal hold exists already.",
        ),
        "HOLD_UNKNOWN": Texts(
            "Cette obligation de conservation n'existe pas.",
            "Deze bewaarplicht bestaat niet.",
            "Diese Aufbewahrungspflicht gibt es nicht.",
            "There is no such legal hold.",
        ),
        "SUBJECT_ERASED": Texts(
            "Les données de cette personne sont en cours d'effacement.",
            "De gegevens van deze persoon worden gewist.",
            "Die Daten dieser Person werden gelöscht.",
            "The data of this person are being erased.",
        ),
        "UNDECIDABLE": Texts(
            "L'enregistrement n'a pas pu être traité.",
            "De registratie kon niet worden verwerkt.",
            "Die Registrierung konnte nicht verarbeitet werden.",
            "The registration could not be handled.",
        ),
    }
)
"""The texts of every code, by its name."""
