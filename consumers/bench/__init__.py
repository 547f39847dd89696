"""Benchmarks: measured as ratios against named rivals in one run, kept with commit and script.

`benches` lists them, `result` is the form of what they find, `kept` the files under
`docs/benchmarks/` and the page that is generated from them. Nothing here is used in production.
"""
