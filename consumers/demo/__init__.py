"""`dpp demo`: the whole flow on a real broker and database, each step with what it must show."""
