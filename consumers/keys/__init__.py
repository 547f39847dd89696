"""Keys over time: what is scheduled, what is destroyed, what takes another's place."""
