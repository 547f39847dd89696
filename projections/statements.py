"""SQL statements in plain files below `projections/sql`, read once.

They name tables without a schema: which version of a projection they mean is the connection's
search path (`projections.versions`).
"""

from functools import cache
from importlib import resources

from psycopg import sql


@cache
def statement(name: str) -> sql.SQL:
    """The statement in `sql/<name>.sql`."""
    text = resources.files("projections").joinpath("sql", f"{name}.sql").read_text("utf-8")
    # Files of our own, so as trusted as the code around them.
    return sql.SQL(text)
