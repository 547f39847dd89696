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
        "PATIENT_MISSING": Texts(
            "Le patient manque dans l'envoi.",
            "De patiënt ontbreekt in de inzending.",
            "In der Einsendung fehlt der Patient.",
            "The submission names no patient.",
        ),
        "MULTIPLE_PATIENTS": Texts(
            "L'envoi concerne plusieurs patients.",
            "De inzending betreft meer dan één patiënt.",
            "Die Einsendung betrifft mehrere Patienten.",
            "The submission concerns several patients.",
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
        "NISS_NOT_ASSIGNED": Texts(
            "Ce numéro NISS ou BIS n'est attribué à personne.",
            "Dit INSZ- of BIS-nummer is aan niemand toegekend.",
            "Diese NISS- oder BIS-Nummer ist niemandem zugeteilt.",
            "This NISS or BIS number is assigned to nobody.",
        ),
        "BIRTH_DATE_DOUBTFUL": Texts(
            "La date de naissance ne s'accorde pas avec le numéro du patient.",
            "De geboortedatum strookt niet met het nummer van de patiënt.",
            "Das Geburtsdatum passt nicht zur Nummer des Patienten.",
            "The birth date does not agree with the patient's number.",
        ),
        "SEX_DOUBTFUL": Texts(
            "Le sexe indiqué ne s'accorde pas avec le numéro du patient.",
            "Het opgegeven geslacht strookt niet met het nummer van de patiënt.",
            "Das angegebene Geschlecht passt nicht zur Nummer des Patienten.",
            "The stated sex does not agree with the patient's number.",
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
        "ALL_LINES_FILTERED": Texts(
            "Aucun produit de l'envoi n'a sa place dans le dossier partagé.",
            "Geen enkel product van de inzending hoort in het gedeelde dossier.",
            "Kein Produkt der Einsendung gehört in die gemeinsame Akte.",
            "No product of the submission belongs in the shared record.",
        ),
        "UNDECIDABLE": Texts(
            "L'envoi n'a pas pu être traité pour une raison technique.",
            "De inzending kon om een technische reden niet worden verwerkt.",
            "Die Einsendung konnte aus einem technischen Grund nicht bearbeitet werden.",
            "The submission could not be processed for a technical reason.",
        ),
        "DGUID_REPEATED": Texts(
            "Ce DGUID figure deux fois dans l'envoi.",
            "Deze DGUID staat tweemaal in de inzending.",
            "Diese DGUID steht zweimal in der Einsendung.",
            "This DGUID stands twice in the submission.",
        ),
        "PRODUCT_FILTERED": Texts(
            "Ce produit n'a pas sa place dans le dossier partagé : la ligne est écartée.",
            "Dit product hoort niet in het gedeelde dossier: de lijn is weggelaten.",
            "Dieses Produkt gehört nicht in die gemeinsame Akte: Die Zeile wurde weggelassen.",
            "This product does not belong in the shared record: the line was left out.",
        ),
        "CNK_INVALID": Texts(
            "Le code CNK n'est pas valable.",
            "De CNK-code is ongeldig.",
            "Der CNK-Code ist ungültig.",
            "The CNK code is not valid.",
        ),
        "CNK_UNKNOWN": Texts(
            "Le code CNK est inconnu du catalogue des médicaments.",
            "De CNK-code is onbekend in de geneesmiddelencatalogus.",
            "Der CNK-Code ist dem Arzneimittelkatalog unbekannt.",
            "The medicines catalogue does not know the CNK code.",
        ),
        "CNK_NOT_VALID_THEN": Texts(
            "Le code CNK n'était pas valable le jour de la délivrance.",
            "De CNK-code was niet geldig op de dag van de aflevering.",
            "Der CNK-Code war am Tag der Abgabe nicht gültig.",
            "The CNK code was not valid on the day of the delivery.",
        ),
        "CNK_SUSPENDED": Texts(
            "L'autorisation du médicament était suspendue le jour de la délivrance.",
            "De vergunning van het geneesmiddel was geschorst op de dag van de aflevering.",
            "Die Zulassung des Arzneimittels ruhte am Tag der Abgabe.",
            "The medicine's authorisation was suspended on the day of the delivery.",
        ),
        "CNK_REVOKED": Texts(
            "L'autorisation du médicament était retirée le jour de la délivrance.",
            "De vergunning van het geneesmiddel was ingetrokken op de dag van de aflevering.",
            "Die Zulassung des Arzneimittels war am Tag der Abgabe widerrufen.",
            "The medicine's authorisation was withdrawn on the day of the delivery.",
        ),
        "CNK_NOT_PUBLIC": Texts(
            "Ce code CNK n'est pas destiné aux pharmacies ouvertes au public.",
            "Deze CNK-code is niet bestemd voor apotheken die voor het publiek openstaan.",
            "Dieser CNK-Code ist nicht für öffentliche Apotheken bestimmt.",
            "This CNK code is not meant for pharmacies open to the public.",
        ),
        "UNREGISTERED_DOUBTFUL": Texts(
            "La description du produit sans code ne décrit rien, ou est elle-même un code.",
            "De omschrijving van het product zonder code zegt niets, of is zelf een code.",
            "Die Beschreibung des Produkts ohne Code sagt nichts aus oder ist selbst ein Code.",
            "The description of the product without a code says nothing, or is itself a code.",
        ),
        "MAGISTRAL_EMPTY": Texts(
            "La préparation magistrale n'a ni ingrédients, ni formule, ni description.",
            "De magistrale bereiding heeft geen ingrediënten, formule of omschrijving.",
            "Die magistrale Zubereitung hat weder Bestandteile noch Formel noch Beschreibung.",
            "The magistral preparation has no ingredients, no formula and no description.",
        ),
        "MAGISTRAL_AMBIGUOUS": Texts(
            "La préparation magistrale est décrite de plusieurs façons à la fois.",
            "De magistrale bereiding is op meer dan één manier tegelijk beschreven.",
            "Die magistrale Zubereitung ist auf mehrere Arten zugleich beschrieben.",
            "The magistral preparation is described in several ways at once.",
        ),
        "GALENIC_FORM_MISSING": Texts(
            "La forme galénique de la préparation manque.",
            "De galenische vorm van de bereiding ontbreekt.",
            "Die galenische Form der Zubereitung fehlt.",
            "The galenic form of the preparation is missing.",
        ),
        "COMPOUND_ORDER_DOUBTFUL": Texts(
            "Les ingrédients de la préparation ne sont pas numérotés dans l'ordre.",
            "De ingrediënten van de bereiding zijn niet in volgorde genummerd.",
            "Die Bestandteile der Zubereitung sind nicht der Reihe nach nummeriert.",
            "The ingredients of the preparation are not numbered in order.",
        ),
        "COMPOUND_UNNAMED": Texts(
            "Un ingrédient de la préparation n'a ni code ni nom.",
            "Een ingrediënt van de bereiding heeft code noch naam.",
            "Ein Bestandteil der Zubereitung hat weder Code noch Namen.",
            "An ingredient of the preparation has neither code nor name.",
        ),
        "COMPOUND_CNK_INVALID": Texts(
            "Le code CNK d'un ingrédient ou d'une formule n'est pas valable.",
            "De CNK-code van een ingrediënt of formule is ongeldig.",
            "Der CNK-Code eines Bestandteils oder einer Formel ist ungültig.",
            "The CNK code of an ingredient or formula is not valid.",
        ),
        "COMPOUND_CNK_UNKNOWN": Texts(
            "Le code CNK d'un ingrédient ou d'une formule est inconnu du catalogue.",
            "De CNK-code van een ingrediënt of formule is onbekend in de catalogus.",
            "Der CNK-Code eines Bestandteils oder einer Formel ist dem Katalog unbekannt.",
            "The catalogue does not know the CNK code of an ingredient or formula.",
        ),
        "COMPOUND_QUANTITY_DOUBTFUL": Texts(
            "La quantité d'un ingrédient manque ou ne se lit pas comme une quantité.",
            "De hoeveelheid van een ingrediënt ontbreekt of is niet als hoeveelheid te lezen.",
            "Die Menge eines Bestandteils fehlt oder ist nicht als Menge lesbar.",
            "The quantity of an ingredient is missing or does not read as one.",
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
        "PRESCRIBER_MISSING": Texts(
            "Le prescripteur manque alors que le produit est prescrit.",
            "De voorschrijver ontbreekt terwijl het product is voorgeschreven.",
            "Der Verschreiber fehlt, obwohl das Produkt verschrieben ist.",
            "The prescriber is missing although the product was prescribed.",
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
        "REGIMEN_DOUBTFUL": Texts(
            "Le schéma de prise est contradictoire ou illisible.",
            "Het innameschema is tegenstrijdig of onleesbaar.",
            "Das Einnahmeschema ist widersprüchlich oder unlesbar.",
            "The dosage regimen contradicts itself or cannot be read.",
        ),
        "BATCH_DOUBTFUL": Texts(
            "Le numéro de lot n'a pas la forme usuelle.",
            "Het lotnummer heeft niet de gebruikelijke vorm.",
            "Die Chargennummer hat nicht die übliche Form.",
            "The batch number does not have the usual form.",
        ),
        "EXPIRY_INVALID": Texts(
            "La date de péremption n'est pas une date.",
            "De vervaldatum is geen datum.",
            "Das Verfalldatum ist kein Datum.",
            "The expiry date is not a date.",
        ),
        "PRODUCT_EXPIRED": Texts(
            "Le produit était périmé le jour de la délivrance.",
            "Het product was vervallen op de dag van de aflevering.",
            "Das Produkt war am Tag der Abgabe verfallen.",
            "The product had expired on the day of the delivery.",
        ),
        "GTIN_INVALID": Texts(
            "Le numéro GTIN n'est pas valable.",
            "Het GTIN-nummer is ongeldig.",
            "Die GTIN ist ungültig.",
            "The GTIN is not valid.",
        ),
        "SCAN_INVALID": Texts(
            "Le code-barres scanné n'est pas un contenu GS1.",
            "De gescande barcode is geen GS1-inhoud.",
            "Der gescannte Strichcode ist kein GS1-Inhalt.",
            "The scanned barcode is no GS1 content.",
        ),
        "SCAN_DIFFERS": Texts(
            "Le code-barres scanné ne s'accorde pas avec les données de la ligne.",
            "De gescande barcode strookt niet met de gegevens van de lijn.",
            "Der gescannte Strichcode passt nicht zu den Angaben der Zeile.",
            "The scanned barcode does not agree with the line's data.",
        ),
        "PRODUCT_REPEATED": Texts(
            "Ce produit a déjà été délivré à ce patient à la même minute.",
            "Dit product werd in dezelfde minuut al aan deze patiënt afgeleverd.",
            "Dieses Produkt wurde diesem Patienten in derselben Minute bereits abgegeben.",
            "This product was already delivered to this patient in the same minute.",
        ),
        "RETURN_PRODUCT_DIFFERS": Texts(
            "Le produit repris n'est pas celui de la ligne délivrée.",
            "Het teruggenomen product is niet dat van de afgeleverde lijn.",
            "Das zurückgenommene Produkt ist nicht das der abgegebenen Zeile.",
            "The product brought back is not that of the delivered line.",
        ),
        "RETURN_TOO_MANY": Texts(
            "On reprend plus d'unités qu'il n'en a été délivré.",
            "Er worden meer eenheden teruggenomen dan er werden afgeleverd.",
            "Es werden mehr Einheiten zurückgenommen, als abgegeben wurden.",
            "More units are brought back than were delivered.",
        ),
        "RETURN_NOT_COMPARED": Texts(
            "La ligne délivrée est trop ancienne pour vérifier le retour.",
            "De afgeleverde lijn is te oud om de teruggave te controleren.",
            "Die abgegebene Zeile ist zu alt, um die Rückgabe zu prüfen.",
            "The delivered line is too old to check the return against.",
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
        "VISIT_MISMATCH": Texts(
            "La ligne appartient à une autre visite.",
            "De lijn hoort bij een ander bezoek.",
            "Die Zeile gehört zu einem anderen Besuch.",
            "The line belongs to another visit.",
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
    }
)
