"""The FHIR R4 face of the record: the same reads as under `/v1`, in HL7 Belgium's profiles.

`datatypes`, `resources` hold the part of FHIR that is spoken here; `systems` its code systems and
their aliases; `dispenses`, `accesses`, `consents` map answers; `parameters` reads searches;
`bundles` puts answers together; `capability` says what there is; `outcomes` tells refusals.
"""
