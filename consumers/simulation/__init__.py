"""A seeded Belgian year of pharmacies, with every defect planted and its outcome known beforehand.

- `population`: pharmacies, persons and caregivers, all invented
- `year`: what they dispensed in the twelve months before a moment
- `plan`: what is to be published and what must come back; `defects`, `steps`, `faults`, `damage`
  and `drafting`: how
- `registrations`: consents, links, exclusions and mandates, and the demo's personas
- `publish`, `register`: the shells that carry both plans out; `verify`, `stored`: what came of it;
  `simulate`: all of it in order
"""
