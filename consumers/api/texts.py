"""Plain words for the patient's access log, in the languages of the country and English."""

from typing import Final

Text = dict[str, str]

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


def basis_text(basis: str | None, reason: str | None) -> Text:
    """Why access was given or refused."""
    if basis is not None:
        return BASES.get(basis, {})
    return REASONS.get(reason or "", {})
