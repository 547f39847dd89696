"""The conformance kit: cases that give each code of quality control, run on any backbone.

- `case`: what a case is, and its inputs filled in for one run
- `content_cases`, `product_cases`, `life_cases`, `envelope_cases`: the cases, written down with
  `writing`; `cases`: all of them by name
- `compare`: expected against observed; `run`: publishes cases and follows their receipts
- `ways`: to a backbone in memory, over its API, straight to its Kafka
- `enrolment`: the test publishers' keys and their admission; `connect`: a run on a given backbone
- `page`: the cases as data and as a page, for software that does not use this one
"""
