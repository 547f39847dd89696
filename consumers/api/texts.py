"""Plain words for the patient's access log, in the languages of the country and English."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from schemas.brussels import BRUSSELS

Text = dict[str, str]
LANGUAGES: Final = ("fr", "nl", "de", "en")

ROLES: Final[dict[str, Text]] = {
    "patient": {"fr": "citoyen", "nl": "burger", "de": "Bürger", "en": "citizen"},
    "caregiver": {
        "fr": "prestataire de soins",
        "nl": "zorgverlener",
        "de": "Leistungserbringer",
        "en": "caregiver",
    },
    "pharmacist": {"fr": "pharmacien", "nl": "apotheker", "de": "Apotheker", "en": "pharmacist"},
    "pharmacy": {"fr": "pharmacie", "nl": "apotheek", "de": "Apotheke", "en": "pharmacy"},
    "authority": {"fr": "autorité", "nl": "overheid", "de": "Behörde", "en": "authority"},
    "auditor": {"fr": "auditeur", "nl": "auditor", "de": "Prüfer", "en": "auditor"},
}
PROFESSIONS: Final[dict[str, Text]] = {
    "physician": {"fr": "médecin", "nl": "arts", "de": "Arzt", "en": "physician"},
    "pharmacist": {"fr": "pharmacien", "nl": "apotheker", "de": "Apotheker", "en": "pharmacist"},
    "dentist": {"fr": "dentiste", "nl": "tandarts", "de": "Zahnarzt", "en": "dentist"},
    "midwife": {"fr": "sage-femme", "nl": "vroedvrouw", "de": "Hebamme", "en": "midwife"},
    "nurse": {"fr": "infirmier", "nl": "verpleegkundige", "de": "Krankenpfleger", "en": "nurse"},
}
PURPOSES: Final[dict[str, Text]] = {
    "history": {
        "fr": "consulter vos médicaments délivrés",
        "nl": "uw afgeleverde geneesmiddelen raadplegen",
        "de": "Ihre abgegebenen Arzneimittel einsehen",
        "en": "to see the medicines dispensed to you",
    },
    "own_history": {
        "fr": "consulter ses propres médicaments",
        "nl": "de eigen geneesmiddelen raadplegen",
        "de": "die eigenen Arzneimittel einsehen",
        "en": "to see one's own medicines",
    },
    "access_log": {
        "fr": "consulter la liste des accès",
        "nl": "de lijst van toegangen raadplegen",
        "de": "die Liste der Zugriffe einsehen",
        "en": "to see this list of accesses",
    },
    "registrations": {
        "fr": "consulter consentement, liens, exclusions et mandats",
        "nl": "toestemming, relaties, uitsluitingen en mandaten raadplegen",
        "de": "Zustimmung, Beziehungen, Ausschlüsse und Vollmachten einsehen",
        "en": "to see consent, links, exclusions and mandates",
    },
    "pharmacy_revealed": {
        "fr": "savoir, à votre demande, quelle pharmacie a délivré un produit",
        "nl": "op uw verzoek te weten welke apotheek een product afleverde",
        "de": "auf Ihren Wunsch erfahren, welche Apotheke ein Produkt abgegeben hat",
        "en": "to learn, at your request, which pharmacy dispensed a product",
    },
    "emergency": {
        "fr": "consulter vos médicaments délivrés dans une urgence",
        "nl": "uw afgeleverde geneesmiddelen raadplegen in een noodgeval",
        "de": "Ihre abgegebenen Arzneimittel in einem Notfall einsehen",
        "en": "to see the medicines dispensed to you in an emergency",
    },
    "own_lines": {
        "fr": "consulter ce que la pharmacie a enregistré elle-même",
        "nl": "raadplegen wat de apotheek zelf registreerde",
        "de": "einsehen, was die Apotheke selbst registriert hat",
        "en": "to see what the pharmacy registered itself",
    },
}

BASES: Final[dict[str, Text]] = {
    "own_data": {
        "fr": "Vos propres données.",
        "nl": "Uw eigen gegevens.",
        "de": "Ihre eigenen Daten.",
        "en": "Your own data.",
    },
    "mandate": {
        "fr": "Un mandat que vous avez donné et qui a été accepté.",
        "nl": "Een mandaat dat u hebt gegeven en dat werd aanvaard.",
        "de": "Eine Vollmacht, die Sie erteilt haben und die angenommen wurde.",
        "en": "A mandate that you gave and that was accepted.",
    },
    "consent_and_link": {
        "fr": "Votre consentement éclairé et un lien thérapeutique avec vous.",
        "nl": "Uw geïnformeerde toestemming en een therapeutische relatie met u.",
        "de": "Ihre informierte Zustimmung und eine therapeutische Beziehung zu Ihnen.",
        "en": "Your informed consent and a therapeutic relationship with you.",
    },
    "emergency": {
        "fr": "Une urgence déclarée par le prestataire, sans lien thérapeutique.",
        "nl": "Een noodgeval dat de zorgverlener heeft gemeld, zonder therapeutische relatie.",
        "de": "Ein Notfall, den der Leistungserbringer erklärt hat, ohne therapeutische Beziehung.",
        "en": "An emergency that the caregiver declared, without a therapeutic relationship.",
    },
    "own_registrations": {
        "fr": "La pharmacie a consulté ce qu'elle a elle-même enregistré.",
        "nl": "De apotheek raadpleegde wat zij zelf had geregistreerd.",
        "de": "Die Apotheke hat eingesehen, was sie selbst registriert hat.",
        "en": "The pharmacy looked at what it had registered itself.",
    },
}
REASONS: Final[dict[str, Text]] = {
    "no_consent": {
        "fr": "Refusé : vous n'avez pas donné votre consentement.",
        "nl": "Geweigerd: u hebt geen toestemming gegeven.",
        "de": "Verweigert: Sie haben nicht zugestimmt.",
        "en": "Refused: you have not given consent.",
    },
    "no_link": {
        "fr": "Refusé : pas de lien thérapeutique en cours.",
        "nl": "Geweigerd: geen lopende therapeutische relatie.",
        "de": "Verweigert: keine laufende therapeutische Beziehung.",
        "en": "Refused: no therapeutic relationship in force.",
    },
    "excluded": {
        "fr": "Refusé : vous avez exclu cette personne ou organisation.",
        "nl": "Geweigerd: u hebt deze persoon of organisatie uitgesloten.",
        "de": "Verweigert: Sie haben diese Person oder Einrichtung ausgeschlossen.",
        "en": "Refused: you have excluded this person or organisation.",
    },
    "profession_not_allowed": {
        "fr": "Refusé : cette profession n'a pas accès.",
        "nl": "Geweigerd: dit beroep heeft geen toegang.",
        "de": "Verweigert: dieser Beruf hat keinen Zugang.",
        "en": "Refused: this profession has no access.",
    },
    "no_mandate": {
        "fr": "Refusé : pas de mandat actif.",
        "nl": "Geweigerd: geen actief mandaat.",
        "de": "Verweigert: keine aktive Vollmacht.",
        "en": "Refused: no active mandate.",
    },
    "not_own_data": {
        "fr": "Refusé : les données d'une autre personne.",
        "nl": "Geweigerd: gegevens van iemand anders.",
        "de": "Verweigert: Daten einer anderen Person.",
        "en": "Refused: another's data.",
    },
    "role_not_allowed": {
        "fr": "Refusé : ce rôle n'a pas accès.",
        "nl": "Geweigerd: deze rol heeft geen toegang.",
        "de": "Verweigert: diese Rolle hat keinen Zugang.",
        "en": "Refused: this role has no access.",
    },
    "erased": {
        "fr": "Refusé : les données ont été effacées.",
        "nl": "Geweigerd: de gegevens werden gewist.",
        "de": "Verweigert: die Daten wurden gelöscht.",
        "en": "Refused: the data were erased.",
    },
}


DETAILS: Final[dict[str, Text]] = {
    "emergency": {
        "fr": "Votre consentement éclairé et un lien thérapeutique déclaré dans une urgence.",
        "nl": "Uw geïnformeerde toestemming en een therapeutische relatie uit een noodgeval.",
        "de": "Ihre informierte Zustimmung und eine im Notfall erklärte therapeutische Beziehung.",
        "en": "Your informed consent and a therapeutic relationship declared in an emergency.",
    },
    "parent": {
        "fr": "Un parent qui agit pour son enfant.",
        "nl": "Een ouder die voor zijn kind handelt.",
        "de": "Ein Elternteil, der für sein Kind handelt.",
        "en": "A parent who acts for their child.",
    },
    "deceased": {
        "fr": "Refusé : un décès est enregistré.",
        "nl": "Geweigerd: er is een overlijden geregistreerd.",
        "de": "Verweigert: ein Todesfall ist registriert.",
        "en": "Refused: a death is registered.",
    },
    "merge_pending": {
        "fr": "Refusé : deux numéros de cette personne sont en cours de fusion.",
        "nl": "Geweigerd: twee nummers van deze persoon worden samengevoegd.",
        "de": "Verweigert: zwei Nummern dieser Person werden gerade zusammengeführt.",
        "en": "Refused: two numbers of this person are being merged.",
    },
}
"""In place of the words of the reason or basis that a detail is a case of."""


def basis_text(basis: str | None, reason: str | None, detail: str | None = None) -> Text:
    """Why access was given or refused."""
    if detail in DETAILS:
        return DETAILS[detail]
    if basis is not None:
        return BASES.get(basis, {})
    return REASONS.get(reason or "", {})


def role_text(role: str, profession: str | None) -> Text:
    """In which role somebody asked; a profession says more than a role."""
    found = PROFESSIONS.get(profession or "") or ROLES.get(role)
    return found or dict.fromkeys(LANGUAGES, profession or role)


def purpose_text(purpose: str) -> Text:
    """What for."""
    return PURPOSES.get(purpose) or dict.fromkeys(LANGUAGES, purpose)


@dataclass(frozen=True, slots=True)
class Told:
    """What a sentence of the access log tells."""

    at: datetime
    name: str | None
    number: str | None
    organisation: str | None
    role: Text
    purpose: Text
    reason: Text
    """Why access was given or refused."""
    on_your_behalf: bool
    window: tuple[datetime, datetime] | None
    rows: int
    granted: bool


_SOMEBODY: Final[Text] = {
    "fr": "Une personne dont l'identité ne peut plus être lue",
    "nl": "Iemand van wie de identiteit niet meer leesbaar is",
    "de": "Jemand, dessen Identität nicht mehr lesbar ist",
    "en": "Somebody whose identity can no longer be read",
}
_ANOTHER: Final[Text] = {
    "fr": "Une autre personne",
    "nl": "Iemand anders",
    "de": "Eine andere Person",
    "en": "Another person",
}
_FRAMES: Final[dict[str, Mapping[str, str]]] = {
    "fr": {
        "granted": "{who} ({role}) a eu accès le {at}, pour {purpose}",
        "refused": "{who} ({role}) a demandé accès le {at}, pour {purpose}",
        "behalf": ", en agissant pour vous",
        "seen": " : {rows} ligne(s)",
        "window": " entre le {start} et le {end}",
    },
    "nl": {
        "granted": "{who} ({role}) kreeg toegang op {at}, om {purpose}",
        "refused": "{who} ({role}) vroeg toegang op {at}, om {purpose}",
        "behalf": ", handelend voor u",
        "seen": ": {rows} lijn(en)",
        "window": " tussen {start} en {end}",
    },
    "de": {
        "granted": "{who} ({role}) erhielt am {at} Zugriff. Zweck: {purpose}",
        "refused": "{who} ({role}) verlangte am {at} Zugriff. Zweck: {purpose}",
        "behalf": ", in Ihrem Namen",
        "seen": ": {rows} Zeile(n)",
        "window": " vom {start} bis {end}",
    },
    "en": {
        "granted": "{who} ({role}) had access on {at}, {purpose}",
        "refused": "{who} ({role}) asked for access on {at}, {purpose}",
        "behalf": ", acting for you",
        "seen": ": {rows} line(s)",
        "window": " between {start} and {end}",
    },
}


def sentence(told: Told) -> Text:
    """Who, in which role, where, for whom, when, why and on what basis, and which data."""
    return {language: _sentence(told, language) for language in LANGUAGES}


def _sentence(told: Told, language: str) -> str:
    frame = _FRAMES[language]
    text = frame["granted" if told.granted else "refused"].format(
        who=_who(told, language),
        role=told.role[language],
        at=_local(told.at, "%d/%m/%Y %H:%M"),
        purpose=told.purpose[language],
    )
    if told.on_your_behalf:
        text += frame["behalf"]
    if told.granted:
        text += frame["seen"].format(rows=told.rows)
        if told.window is not None:
            # A window ends with a day: its end is the midnight after it.
            start, end = told.window[0], told.window[1] - timedelta(microseconds=1)
            text += frame["window"].format(
                start=_local(start, "%d/%m/%Y"), end=_local(end, "%d/%m/%Y")
            )
    return f"{text}. {told.reason.get(language, '')}".strip()


def _who(told: Told, language: str) -> str:
    known = " ".join(part for part in (told.name, told.number) if part)
    if not known:
        known = (_ANOTHER if told.on_your_behalf else _SOMEBODY)[language]
    places = {told.organisation} - {None, told.number}
    return ", ".join([known, *(place for place in places if place)])


def _local(moment: datetime, form: str) -> str:
    return moment.astimezone(BRUSSELS).strftime(form)
