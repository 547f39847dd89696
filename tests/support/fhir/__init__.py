"""Answers of the FHIR face judged by a validator from outside: HAPI, with HL7's own core.

`make fhir` runs it; `answers` makes what is judged, `profiles` says what the guides demand beyond
FHIR itself, `findings` tells what is wrong from what is meant so.
"""
