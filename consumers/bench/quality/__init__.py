"""`dpp bench quality`: the engine against its rivals, all doing the whole work of quality control.

`world` brings servers and sealed input, `contender` is the process of each of `engine`,
`stock_faust`, `quix` and `raw_aiokafka`, `stage` what all of them decide with, `counting` watches
from outside, `latency` asks how long one submission takes, `measure` runs the rounds.
"""
