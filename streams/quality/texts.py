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
            "Le message n'a pas de clé.",
            "Het bericht heeft geen sleutel.",
            "Die Nachricht hat keinen Schlüssel.",
            "The message has no key.",
        ),
        "EMPTY_SUBMISSION": Texts(
            "Le message est vide.",
            "Het bericht is leeg.",
            "Die Nachricht ist leer.",
            "The message is empty.",
        ),
        "PUBLISHER_UNKNOWN": Texts(
            "Cette pharmacie n'est pas inscrite.",
            "Deze apotheek is niet ingeschreven.",
            "Diese Apotheke ist nicht eingeschrieben.",
            "This pharmacy is not enrolled.",
        ),
        "SUBMISSION_TOO_LARGE": Texts(
            "L'envoi est trop volumineux.",
            "De inzending is te groot.",
            "Die Einsendung ist zu groß.",
            "The submission is too large.",
        ),
        "HEADER_INVALID": Texts(
            "Un en-tête manque, est double ou n'est pas valable.",
            "Een header ontbreekt, is dubbel of ongeldig.",
            "Ein Header fehlt, ist doppelt oder ungültig.",
            "A header is missing, doubled or invalid.",
        ),
        "EVENT_TYPE_UNKNOWN": Texts(
            "Le type d'événement est inconnu.",
            "Het type gebeurtenis is onbekend.",
            "Der Ereignistyp ist unbekannt.",
            "The event type is unknown.",
        ),
        "SEQUENCE_INVALID": Texts(
            "Le numéro d'ordre ou l'époque n'est pas valable.",
            "Het volgnummer of het tijdperk is ongeldig.",
            "Die laufende Nummer oder die Epoche ist ungültig.",
            "The sequence number or the epoch is invalid.",
        ),
        "PARTITION_WRONG": Texts(
            "L'envoi est arrivé dans une autre partition que celle de sa clé.",
            "De inzending kwam aan in een andere partitie dan die van haar sleutel.",
            "Die Einsendung kam in einer anderen Partition an als der ihres Schlüssels.",
            "The submission arrived in another partition than that of its key.",
        ),
        "PUBLISHER_MISMATCH": Texts(
            "La clé, la source et la session ne désignent pas la même pharmacie.",
            "Sleutel, bron en sessie noemen niet dezelfde apotheek.",
            "Schlüssel, Quelle und Sitzung nennen nicht dieselbe Apotheke.",
            "Key, source and session do not name the same pharmacy.",
        ),
        "SESSION_UNKNOWN": Texts(
            "La session est inconnue.",
            "De sessie is onbekend.",
            "Die Sitzung ist unbekannt.",
            "The session is unknown.",
        ),
        "SESSION_EXPIRED": Texts(
            "La session est expirée ou sa clé a été retirée.",
            "De sessie is verlopen of haar sleutel is ingetrokken.",
            "Die Sitzung ist abgelaufen oder ihr Schlüssel wurde zurückgezogen.",
            "The session has expired or its key was withdrawn.",
        ),
        "CONTRACT_NOT_VALID": Texts(
            "Aucun contrat ne couvre ce type d'événement à ce moment.",
            "Geen contract dekt dit type gebeurtenis op dit ogenblik.",
            "Kein Vertrag deckt diesen Ereignistyp zu diesem Zeitpunkt.",
            "No contract covers this event type at this time.",
        ),
        "SEAL_BROKEN": Texts(
            "L'envoi scellé ne s'ouvre pas.",
            "De verzegelde inzending gaat niet open.",
            "Die versiegelte Einsendung lässt sich nicht öffnen.",
            "The sealed submission does not open.",
        ),
        "SEQUENCE_REUSED": Texts(
            "Ce numéro d'ordre a déjà servi à un autre envoi.",
            "Dit volgnummer werd al voor een andere inzending gebruikt.",
            "Diese laufende Nummer wurde bereits für eine andere Einsendung verwendet.",
            "This sequence number was already used for another submission.",
        ),
        "ID_REUSED": Texts(
            "Cet identifiant d'envoi a déjà servi à un autre envoi.",
            "Deze identificatie werd al voor een andere inzending gebruikt.",
            "Diese Kennung wurde bereits für eine andere Einsendung verwendet.",
            "This submission id was already used for another submission.",
        ),
        "BODY_MALFORMED": Texts(
            "Le contenu n'a pas la forme convenue.",
            "De inhoud heeft niet de afgesproken vorm.",
            "Der Inhalt hat nicht die vereinbarte Form.",
            "The content does not have the agreed form.",
        ),
        "TOO_MANY_LINES": Texts(
            "L'envoi compte trop de lignes.",
            "De inzending telt te veel lijnen.",
            "Die Einsendung hat zu viele Zeilen.",
            "The submission has too many lines.",
        ),
        "GUID_INVALID": Texts(
            "Un identifiant GUID n'a pas la bonne forme.",
            "Een GUID heeft niet de juiste vorm.",
            "Eine GUID hat nicht die richtige Form.",
            "A GUID does not have the right form.",
        ),
        "NISS_INVALID": Texts(
            "Le numéro NISS ou BIS n'est pas valable.",
            "Het INSZ- of BIS-nummer is ongeldig.",
            "Die NISS- oder BIS-Nummer ist ungültig.",
            "The NISS or BIS number is not valid.",
        ),
        "DELIVERY_IN_FUTURE": Texts(
            "La délivrance se situe dans l'avenir.",
            "De aflevering ligt in de toekomst.",
            "Die Abgabe liegt in der Zukunft.",
            "The delivery lies in the future.",
        ),
        "DELIVERY_TOO_OLD": Texts(
            "La délivrance est plus ancienne que la durée de conservation.",
            "De aflevering is ouder dan de bewaartermijn.",
            "Die Abgabe ist älter als die Aufbewahrungsfrist.",
            "The delivery is older than the retention period.",
        ),
        "LATE_ARRIVAL": Texts(
            "La délivrance a été envoyée tardivement.",
            "De aflevering werd laat ingestuurd.",
            "Die Abgabe wurde verspätet eingesandt.",
            "The delivery was submitted late.",
        ),
        "DGUID_REPEATED": Texts(
            "Ce DGUID figure deux fois dans l'envoi.",
            "Deze DGUID staat tweemaal in de inzending.",
            "Diese DGUID steht zweimal in der Einsendung.",
            "This DGUID stands twice in the submission.",
        ),
        "CNK_INVALID": Texts(
            "Le code CNK n'est pas valable.",
            "De CNK-code is ongeldig.",
            "Der CNK-Code ist ungültig.",
            "The CNK code is not valid.",
        ),
        "COMPOUND_CNK_INVALID": Texts(
            "Le code CNK d'un ingrédient ou d'une formule n'est pas valable.",
            "De CNK-code van een ingrediënt of formule is ongeldig.",
            "Der CNK-Code eines Bestandteils oder einer Formel ist ungültig.",
            "The CNK code of an ingredient or formula is not valid.",
        ),
        "UNITS_ZERO": Texts(
            "Le nombre d'unités est zéro.",
            "Het aantal eenheden is nul.",
            "Die Anzahl der Einheiten ist null.",
            "The number of units is zero.",
        ),
        "UNITS_IMPLAUSIBLE": Texts(
            "Le nombre d'unités est peu plausible.",
            "Het aantal eenheden is weinig plausibel.",
            "Die Anzahl der Einheiten ist wenig plausibel.",
            "The number of units is implausible.",
        ),
        "RETURN_INVALID": Texts(
            "Le retour ne correspond à aucune ligne délivrée à ce patient.",
            "De teruggave past bij geen lijn van deze patiënt.",
            "Die Rückgabe passt zu keiner Zeile dieses Patienten.",
            "The return fits no line delivered to this patient.",
        ),
        "PRESCRIBER_INVALID": Texts(
            "Le numéro INAMI du prescripteur n'est pas valable.",
            "Het RIZIV-nummer van de voorschrijver is ongeldig.",
            "Die LIKIV-Nummer des Verschreibers ist ungültig.",
            "The prescriber's NIHDI number is not valid.",
        ),
        "RID_INVALID": Texts(
            "L'identifiant de la prescription (RID) n'est pas valable.",
            "De identificatie van het voorschrift (RID) is ongeldig.",
            "Die Kennung der Verschreibung (RID) ist ungültig.",
            "The prescription identifier (RID) is not valid.",
        ),
        "DGUID_CONFLICT": Texts(
            "Ce DGUID est déjà enregistré avec un autre contenu.",
            "Deze DGUID is al geregistreerd met een andere inhoud.",
            "Diese DGUID ist bereits mit anderem Inhalt registriert.",
            "This DGUID is already recorded with other content.",
        ),
        "LINE_UNKNOWN": Texts(
            "Cette pharmacie n'a pas enregistré cette ligne.",
            "Deze apotheek heeft deze lijn niet geregistreerd.",
            "Diese Apotheke hat diese Zeile nicht registriert.",
            "This pharmacy has not recorded this line.",
        ),
        "VERSION_STALE": Texts(
            "La version à remplacer n'est pas la version actuelle.",
            "De te vervangen versie is niet de huidige.",
            "Die zu ersetzende Version ist nicht die aktuelle.",
            "The version to be replaced is not the current one.",
        ),
        "LINE_REVOKED": Texts(
            "La ligne a été révoquée.",
            "De lijn werd ingetrokken.",
            "Die Zeile wurde widerrufen.",
            "The line was revoked.",
        ),
        "PATIENT_MISMATCH": Texts(
            "La ligne est enregistrée pour un autre patient.",
            "De lijn is voor een andere patiënt geregistreerd.",
            "Die Zeile ist für einen anderen Patienten registriert.",
            "The line is recorded for another patient.",
        ),
        "LINE_ERASED": Texts(
            "La ligne a été effacée.",
            "De lijn werd gewist.",
            "Die Zeile wurde gelöscht.",
            "The line was erased.",
        ),
        "PERIOD_CLOSED": Texts(
            "Le jour de la délivrance est clos.",
            "De dag van de aflevering is afgesloten.",
            "Der Tag der Abgabe ist abgeschlossen.",
            "The day of the delivery is closed.",
        ),
        "UNDECIDABLE": Texts(
            "L'envoi n'a pas pu être traité pour une raison technique.",
            "De inzending kon om een technische reden niet worden verwerkt.",
            "Die Einsendung konnte aus einem technischen Grund nicht bearbeitet werden.",
            "The submission could not be processed for a technical reason.",
        ),
    }
)
