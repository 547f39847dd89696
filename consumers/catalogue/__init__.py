"""The project's own sample catalogue of medicines, for simulation and demo; production uses SAM."""
