"""The two places where a statement's text depends on its values: `IN (…)` lists, and optional filters.

Only placeholders and names that the program itself wrote get into the text; values are always arguments.
"""

from collections.abc import Iterable, Sequence

from issuer.storage.port import Value


def in_list(statement: str, first: int, count: int) -> str:
    """Return `statement` (which ends in `IN`) with a list of `count` placeholders from `$first` on."""
    return f"{statement} ({', '.join(f'${place}' for place in range(first, first + count))})"


def filtered(
    statement: str, args: Sequence[Value], filters: Iterable[tuple[str, Value]], tail: str
) -> tuple[str, list[Value]]:
    """Add `AND column = value` for each filter that has a value.

    Args:
        statement: ends in a `WHERE` clause.
        args: the values of its placeholders, and of those in `tail`.
        filters: columns, and the value that each must have; None for any.
        tail: `ORDER BY …`.

    Returns:
        The whole statement and all its values.
    """
    values = list(args)
    conditions = ""
    for column, value in filters:
        if value is not None:
            values.append(value)
            conditions += f" AND {column} = ${len(values)}"
    return f"{statement}{conditions} {tail}", values
