"""Applies row changes in sets: binary COPY into stages, then one statement per kind and shape.

Sets know no order among them, so positions do: an upsert replaces earlier rows only, and a row ends
or is filled only by what came after it. That also makes a second application change nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal, assert_never

from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.types.string import BytesBinaryDumper

from infra.postgres import Connection
from projections.folds.changes import SUPERSEDED, Change, Close, Fill, Upsert

RECORDED: Final = "recorded_position"
_SEQUENCE: Final = "stage_sequence"
_POSITION: Final = "stage_position"
_ORDER: Final = ("put", "close", "fill")
Kind = Literal["put", "close", "fill"]
Picker = Callable[[Mapping[str, Any]], tuple[Any, ...]]
_Given = tuple[Kind, str, tuple[str, ...], tuple[str, ...]]
"""What a change says of itself: kind, table, and the names in its key and among its values."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Changes that one statement applies: same kind, table and columns."""

    kind: Kind
    table: str
    key: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that the stage carries."""
        return (*self.key, *self.values)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A temporary table of a shape, what picks its rows, and what applies them."""

    shape: Shape
    pick_key: Picker
    pick_values: Picker
    table: sql.Identifier
    types: Sequence[int]
    statement: sql.Composed

    def row(self, change: Change) -> tuple[Any, ...]:
        """The change's columns and its place in the log; an upsert has it among them."""
        match change:
            case Upsert(row=row):
                return (*self.pick_key(row), *self.pick_values(row), None)
            case Fill(key=key, values=values, position=position):
                return (*self.pick_key(key), *self.pick_values(values), position)
            case Close(key=key, values=values, position=position):
                return (*self.pick_key(key), *self.pick_values(values), position)
            case _:
                assert_never(change)


class RowWriter:
    """Writes a projection's changes on one connection, whose search path names the version.

    Columns that the version's tables do not have are left out: they are another layout's. With
    `forgets`, rows of an erased generation of a subject never enter. With `fresh`, rows are copied
    straight into tables that are being filled, and staged only where one is there already; who
    fills them takes the rows of erased subjects out in the end.
    """

    def __init__(
        self,
        connection: Connection,
        primary_keys: Mapping[str, Sequence[str]],
        *,
        forgets: bool = False,
        fresh: bool = False,
    ) -> None:
        self._connection = connection
        self._fresh = fresh
        self._primary_keys = primary_keys
        self._forgets = forgets
        self._stages: dict[_Given, _Stage] = {}

    async def prepare(self) -> None:
        """Stages are made when a shape is first met."""

    async def before(self, changes: Sequence[Any]) -> None:
        """Everything exists."""

    async def write(self, changes: Iterable[Change]) -> None:
        """Applies the changes inside the caller's transaction."""
        staged: dict[_Given, list[tuple[Any, ...]]] = {}
        for number, change in enumerate(changes):
            given = _given(change)
            stage = self._stages.get(given)
            if stage is None:
                stage = self._stages[given] = await self._make_stage(given)
            staged.setdefault(given, []).append((*stage.row(change), number))
        for given in sorted(staged, key=lambda one: _ORDER.index(one[0])):
            stage, rows = self._stages[given], staged[given]
            if self._fresh and stage.shape.kind == "put" and await self._enter(stage, rows):
                continue
            await copy_rows(self._connection, stage.table, None, stage.types, rows)
            await self._connection.execute(stage.statement)

    async def _enter(self, stage: _Stage, rows: Iterable[tuple[Any, ...]]) -> bool:
        """Copies rows straight into their table; False, and nothing done, if one is there."""
        shape = stage.shape
        newest = {row[: len(shape.key)]: row[:-2] for row in rows}
        table, types = sql.Identifier(shape.table), stage.types[:-2]
        try:
            async with self._connection.transaction():
                await copy_rows(self._connection, table, shape.columns, types, newest.values())
        except UniqueViolation:
            return False
        return True

    async def _make_stage(self, given: _Given) -> _Stage:
        stored = [one for one, _ in await table_columns(self._connection, given[1])]
        shape = _shape(given, self._primary_keys, stored)
        name = f"stage_{len(self._stages)}"
        await self._connection.execute(
            sql.SQL(
                "CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS"
                " SELECT {}, 0::int8 AS {}, 0::int8 AS {} FROM {} WITH NO DATA"
            ).format(
                sql.Identifier(name),
                _names(shape.columns),
                sql.Identifier(_POSITION),
                sql.Identifier(_SEQUENCE),
                sql.Identifier(shape.table),
            )
        )
        table = sql.Identifier("pg_temp", name)
        types = [kind for _, kind in await table_columns(self._connection, f"pg_temp.{name}")]
        others = [one for one in stored if one not in shape.columns]
        statement = self._statement(shape, table, others)
        return _Stage(shape, _picker(shape.key), _picker(shape.values), table, types, statement)

    def _statement(
        self, shape: Shape, stage: sql.Identifier, others: Sequence[str]
    ) -> sql.Composed:
        match shape.kind:
            case "put":
                primary = self._primary_keys[shape.table]
                return _put(shape, stage, primary, others, forgets=self._forgets)
            case "close":
                return _update(shape, stage, self._primary_keys[shape.table], "")
            case "fill":
                return _update(shape, stage, self._primary_keys[shape.table], " DESC")
            case _:
                assert_never(shape.kind)


async def copy_rows(
    connection: Connection,
    table: sql.Identifier,
    columns: Iterable[str] | None,
    types: Sequence[int | str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Binary COPY into a table; without `columns`, into all of them."""
    listed = sql.SQL("" if columns is None else " ({})").format(_names(columns or ()))
    target = sql.SQL("COPY {}{} FROM STDIN (FORMAT BINARY)").format(table, listed)
    async with connection.cursor() as cursor:
        # As it is without this, but native: the one of DB-API's binary objects would take over.
        cursor.adapters.register_dumper(bytes, BytesBinaryDumper)
        async with cursor.copy(target) as copy:
            copy.set_types(types)
            written = copy.formatter.write_row
            for row in rows:
                # Almost always empty: it gathers rows, so there is nothing to wait for.
                if block := written(row):
                    await copy.writer.write(block)


async def table_columns(connection: Connection, table: str) -> list[tuple[str, int]]:
    """The columns of a table and their types, in their order."""
    cursor = await connection.execute(
        "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s::regclass"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table,),
    )
    return [(name, kind) for name, kind in await cursor.fetchall()]


def _given(change: Change) -> _Given:
    match change:
        case Upsert(table=table, row=row):
            return "put", table, (), tuple(row)
        case Fill(table=table, key=where, values=values):
            return "fill", table, tuple(where), tuple(values)
        case Close(table=table, key=where, values=values):
            return "close", table, tuple(where), tuple(values)
        case _:
            assert_never(change)


def _shape(
    given: _Given, primary_keys: Mapping[str, Sequence[str]], stored: Collection[str]
) -> Shape:
    kind, table, where, values = given
    key = where or tuple(primary_keys[table])
    return Shape(
        kind, table, key, tuple(name for name in values if name not in key and name in stored)
    )


def _picker(names: Sequence[str]) -> Picker:
    """What picks the values of these names; `itemgetter` makes no tuple of less than two."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


def _put(
    shape: Shape,
    stage: sql.Identifier,
    primary: Sequence[str],
    others: Iterable[str],
    *,
    forgets: bool,
) -> sql.Composed:
    """The row as a whole takes the place of an earlier one; `others` are its columns not given."""
    earlier = (
        sql.SQL(" WHERE t.{0} < EXCLUDED.{0}").format(sql.Identifier(RECORDED))
        if RECORDED in shape.values
        else sql.SQL("")
    )
    given = [_assigned(shape.values, "EXCLUDED")] if shape.values else []
    emptied = [sql.SQL("{} = DEFAULT").format(sql.Identifier(name)) for name in others]
    assigned = sql.SQL(", ").join([*given, *emptied])
    living = (
        " WHERE NOT EXISTS (SELECT FROM projection_erased AS e"
        " WHERE e.subject = s.subject AND e.generation >= s.generation)"
    )
    return sql.SQL(
        "INSERT INTO {table} AS t ({columns}) SELECT DISTINCT ON ({primary}) {columns}"
        " FROM {stage} AS s{living} ORDER BY {primary}, {sequence} DESC"
        " ON CONFLICT ({primary}) DO {update}"
    ).format(
        table=sql.Identifier(shape.table),
        columns=_names(shape.columns),
        primary=_names(primary),
        stage=stage,
        living=sql.SQL(living if forgets else ""),
        sequence=sql.Identifier(_SEQUENCE),
        update=sql.SQL("UPDATE SET {}{}").format(assigned, earlier)
        if given or emptied
        else sql.SQL("NOTHING"),
    )


def _update(
    shape: Shape, stage: sql.Identifier, primary: Sequence[str], direction: Literal["", " DESC"]
) -> sql.Composed:
    """Every row in force is ended by the first change after it, and filled by the last."""
    ended = shape.kind == "close"
    assigned = [_assigned(shape.values, "s")] if shape.values else []
    if ended:
        assigned.append(
            sql.SQL("{} = s.{}").format(sql.Identifier(SUPERSEDED), sql.Identifier(_POSITION))
        )
    in_force = (
        sql.SQL("t.{} IS NULL") if ended else sql.SQL("(t.{0} IS NULL OR t.{0} > s.{1})")
    ).format(sql.Identifier(SUPERSEDED), sql.Identifier(_POSITION))
    return sql.SQL(
        "UPDATE {table} AS t SET {assigned} FROM (SELECT DISTINCT ON ({mine}) {mine}, {staged}"
        " FROM {stage} AS s JOIN {table} AS t ON {matching}"
        " WHERE t.{recorded} < s.{position} AND {in_force}"
        " ORDER BY {mine}, s.{position}{direction}) AS s WHERE {same}"
    ).format(
        table=sql.Identifier(shape.table),
        assigned=sql.SQL(", ").join(assigned),
        mine=_names(primary, "t"),
        staged=_names((*shape.values, _POSITION), "s"),
        stage=stage,
        matching=_equal(shape.key, "t", "s"),
        recorded=sql.Identifier(RECORDED),
        position=sql.Identifier(_POSITION),
        in_force=in_force,
        direction=sql.SQL(direction),
        same=_equal(primary, "t", "s"),
    )


def _names(names: Iterable[str], of: str | None = None) -> sql.Composed:
    prefix = (of,) if of else ()
    return sql.SQL(", ").join(sql.Identifier(*prefix, name) for name in names)


def _assigned(names: Iterable[str], source: Literal["EXCLUDED", "s"]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{0} = {1}.{0}").format(sql.Identifier(name), sql.SQL(source)) for name in names
    )


def _equal(names: Iterable[str], left: str, right: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name))
        for name in names
    )
