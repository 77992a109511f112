"""Files as people's programs write them: read as they are meant, or refused with the reason and the remedy."""

import csv
import io
import re
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from users.imports import sheet
from users.imports.sheet import Unreadable, read

HEADER = ["email", "full_name"]


def workbook(*rows: list[Any], **options: Any) -> bytes:
    book = openpyxl.Workbook(**options)
    for row in rows:
        book.active.append(row)
    return saved(book)


def saved(book: Any) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def repacked(data: bytes, name: str, content: bytes) -> bytes:
    """The same workbook with another part."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"email,full_name\nada@example.com,Ada\n",
        b"\xef\xbb\xbfemail,full_name\r\nada@example.com,Ada\r\n",
        b"email;full_name\nada@example.com;Ada\n",
        b"email\tfull_name\rada@example.com\tAda\r",
        b"email|full_name\nada@example.com|Ada",
        b"sep=;\nemail;full_name\nada@example.com;Ada\n",
        "email,full_name\nada@example.com,Ada\n".encode("utf-16"),
        b'"email","full_name"\n"ada@example.com","Ada"\n',
        b"\n\nemail,full_name\n\n,,\nada@example.com,Ada,,,\n\n",
        workbook(HEADER, ["ada@example.com", "Ada"]),
        workbook([], HEADER, [None, None], ["ada@example.com", "Ada"]),
    ],
)
def test_one_user_is_read_from_every_usual_form(data: bytes) -> None:
    found = read(data)
    assert (found.header, [cells for _, cells in found.lines], found.notes) == (HEADER, [["ada@example.com", "Ada"]], [])


def test_lines_have_the_numbers_that_an_editor_shows() -> None:
    data = b'email,full_name\n\na@example.com,"two\nlines"\nb@example.com,B\n'
    assert [number for number, _ in read(data).lines] == [3, 5]
    assert [number for number, _ in read(b"sep=,\nemail\na@example.com\n").lines] == [3]
    assert [number for number, _ in read(workbook(["email"], [], ["a@example.com"])).lines] == [3]


def test_a_western_european_file_is_read_and_said_to_be_one() -> None:
    found = read("email,full_name\nzoe@example.com,Zoë Müller €\n".encode("cp1252"))
    assert found.lines == [(2, ["zoe@example.com", "Zoë Müller €"])]
    assert "Windows-1252" in found.notes[0]
    assert read(b"email,full_name\nx@example.com,\x81\n").lines[0][1][1] == "\x81", "bytes that even that does not know are not lost"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty"),
        (b"  \n \n", "The file is empty"),
        (b"email,full_name\n", "no user below it"),
        (b'email,full_name\n"ada@example.com,Ada\n', "Line 2 is not valid CSV: a quote is not closed"),
        (b'email\na@example.com\n"Ad"a"\n', "Line 3 is not valid CSV"),
        (b"a" * (sheet.MAX_BYTES + 1), "larger than 10 MB. Split it"),
        (b"\x00\x01\x02email", "neither CSV nor XLSX"),
        (b"%PDF-1.7\x00\xff\xfe", "neither CSV nor XLSX"),
        (b"\xff\xfee", "cut short"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 100, "old Excel file (.xls), or one with a password"),
        (b"PK\x03\x04 but no more", "damaged"),
        (workbook(HEADER)[:-200], "damaged"),
        (workbook(HEADER), "no user below it"),
        (workbook(), "The file is empty"),
        ((",".join(f"c{n}" for n in range(101)) + "\nx\n").encode(), "more than 100 columns"),
        (workbook([f"c{n}" for n in range(101)], ["x"]), "more than 100 columns"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy(data: bytes, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(data)
    assert words in str(refused.value)


def test_more_rows_than_allowed_are_refused_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MAX_ROWS", 3)
    rows = [[f"u{n}@example.com"] for n in range(4)]
    for data in (b"email\n" + b"\n".join(row[0].encode() for row in rows), workbook(["email"], *rows)):
        with pytest.raises(Unreadable, match="more than 3 rows"):
            read(data)
    assert len(read(workbook(["email"], *rows[:3])).lines) == 3


def test_a_zip_that_is_no_workbook_is_named() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("content.xml", "<office/>")
    with pytest.raises(Unreadable, match="not an Excel workbook"):
        read(file.getvalue())


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = repacked(workbook(HEADER, ["a@example.com", "A"]), "xl/sharedStrings.xml", b" " * (sheet.MAX_UNPACKED + 1))
    assert len(bomb) < 200_000
    with pytest.raises(Unreadable, match="unpacks to more"):
        read(bomb)


def test_entities_in_a_workbook_are_never_expanded() -> None:
    data = workbook(HEADER, ["a@example.com", "laughs"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = archive.read("xl/worksheets/sheet1.xml")
    kinds = b'<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    start = part.index(b"<worksheet")
    laughing = part[:start] + kinds + part[start:].replace(b"laughs", b"&b;")
    with pytest.raises(Unreadable, match="damaged"):
        read(repacked(data, "xl/worksheets/sheet1.xml", laughing))


def test_a_cell_at_the_far_end_of_a_sheet_costs_nothing() -> None:
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    book.active.append(["a@example.com", "A"])
    book.active["XFD1048576"] = "x"
    assert read(saved(book)).lines == [(2, ["a@example.com", "A"])]


def test_cells_of_every_type_become_text() -> None:
    row = ["a@example.com", 7, 7.0, 7.5, True, False, None, "x"]
    assert read(workbook([f"c{n}" for n in range(8)], row)).lines[0][1] == ["a@example.com", "7", "7", "7.5", "true", "false", "", "x"]


def test_a_formula_counts_as_what_it_came_to_and_else_stays_visible() -> None:
    data = workbook(HEADER, ["a@example.com", '="A"&"da"'], ["b@example.com", "B"])
    assert read(data).lines[0][1][1] == '="A"&"da"', "written by a program: nobody has calculated it yet"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = archive.read("xl/worksheets/sheet1.xml")
    calculated = re.sub(rb"<v ?/>|<v></v>", b"<v>Ada</v>", part).replace(b'r="B2"', b'r="B2" t="str"')
    assert calculated != part
    assert read(repacked(data, "xl/worksheets/sheet1.xml", calculated)).lines == [
        (2, ["a@example.com", "Ada"]),
        (3, ["b@example.com", "B"]),
    ]


def test_only_the_first_sheet_is_read_and_that_is_said() -> None:
    book = openpyxl.Workbook()
    book.active.title = "People"
    book.active.append(["email"])
    book.active.append(["a@example.com"])
    book.create_sheet("More").append(["b@example.com"])
    found = read(saved(book))
    assert found.lines == [(2, ["a@example.com"])]
    assert "“People”" in found.notes[0]


cells = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20).map(str.strip).filter(bool)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_a_csv_writer_writes_is_read_as_it_was(rows: list[list[str]], separator: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerow(["email", "full_name", "role"])
    writer.writerows(rows)
    assert [line for _, line in read(file.getvalue().encode()).lines] == rows


@given(st.binary(max_size=400))
def test_whatever_bytes_come_are_read_or_refused(data: bytes) -> None:
    for given_bytes in (data, b"PK\x03\x04" + data, b"email\n" + data):
        try:
            found = read(given_bytes)
        except Unreadable as refused:
            assert str(refused).endswith((".", "?")) or ": " in str(refused)
        else:
            assert found.header and found.lines
