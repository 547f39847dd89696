"""The operator's side of quality control: who fell silent, what is missing, what was refused."""
