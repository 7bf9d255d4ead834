"""Tables of plain text."""

from __future__ import annotations

import pytest
from hub_revisions.text_table import Column, render_table

COLUMNS = (Column("name"), Column("step", "right"), Column("why"))


def test_columns_are_as_wide_as_their_content() -> None:
    text = render_table(COLUMNS, [("a", "5", "first"), ("longer", "1000", "")], title="Both")
    assert text == (
        "Both\nname    step  why\n------  ----  -----\na          5  first\nlonger  1000\n"
    )


def test_a_table_without_rows_has_its_headings() -> None:
    assert render_table(COLUMNS, []) == "name  step  why\n----  ----  ---\n"


@pytest.mark.parametrize("width", [34, 35, 60, 200])
def test_text_is_folded_to_the_width_and_nothing_is_lost(width: int) -> None:
    why = "it has no number of the metric that was asked for"
    rows = [("step-000000001-of-a-long-name", "123456789", why)]
    lines = render_table(COLUMNS, rows, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert "123456789" in lines[2]
    shown = "".join(lines[2:]).replace(" ", "")
    assert all(word in shown for word in ("step-000000001"[:8], "name", "asked"))
    assert len(shown) == len("".join(rows[0]).replace(" ", ""))


def test_numbers_are_whole_where_there_is_no_room() -> None:
    lines = render_table(COLUMNS, [("a" * 30, "123456789", "b" * 30)], width=10).splitlines()
    assert "123456789" in lines[2]
    assert len(lines[2]) == 8 + 2 + 9 + 2 + 8


def test_what_would_command_a_terminal_is_blanked() -> None:
    text = render_table([Column("a\tb")], [("\x1b[31mred\n",), ("[bold]",)])
    assert "\x1b" not in text
    assert text.splitlines()[2:] == [" [31mred", "[bold]"]


def test_wide_letters_take_two_cells_and_accents_none() -> None:
    lines = render_table(COLUMNS, [("模型", "1", "x"), ("e\u0301", "2", "y")]).splitlines()
    assert lines[2:] == ["模型     1  x", "e\u0301        2  y"]
    folded = render_table([Column("名" * 20)], [("模型" * 10,)], width=11).splitlines()
    assert folded[0] == "名" * 5
