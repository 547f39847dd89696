"""The contract of the shared pharmaceutical record: pure, importable by everybody.

`identifiers`
    Belgian identifiers, one file each.
`strictjson`, `canonical`, `model`, `envelope`
    How bytes become values and back: the one JSON parser, exact forms, frozen models, CloudEvents.
`dispensation`, `receipts`, `subject`, `publisher`, `policy`, `audit`, `deadletter`
    Event families, one file each.
`sealing`, `keyvault`
    Cryptographic forms, and the port behind which keys live.
`topics`, `registry`
    The declaration of topics; JSON Schemas and the AsyncAPI document made from all of the above.
"""
