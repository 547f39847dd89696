"""What a patient should be told: facts and accesses become notices on `dpp.subject.notices`.

`decide` says which record is a notice, purely; `publisher` reads the topics, asks whether a party
was there before, and writes each notice once.
"""
