"""NAME=value lines: what each form of a line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.store.env_file import read_env_file


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("NAME=value", {"NAME": "value"}),
        ("  NAME = value  ", {"NAME": "value"}),
        ("export NAME=value", {"NAME": "value"}),
        ("exportNAME=value", {"exportNAME": "value"}),
        ("_a1=x", {"_a1": "x"}),
        ("NAME=", {"NAME": ""}),
        ("NAME=# nothing", {"NAME": ""}),
        ("NAME=two words", {"NAME": "two words"}),
        ("NAME=a=b", {"NAME": "a=b"}),
        ("NAME=value # why", {"NAME": "value"}),
        ("NAME=value\t# why", {"NAME": "value"}),
        ("NAME=a#b", {"NAME": "a#b"}),
        ("NAME=don't", {"NAME": "don't"}),
        (r"NAME=a\nb", {"NAME": r"a\nb"}),
        ("NAME=$OTHER", {"NAME": "$OTHER"}),
        ("NAME='a # b'", {"NAME": "a # b"}),
        ("NAME='a' # why", {"NAME": "a"}),
        (r"NAME='a\nb'", {"NAME": r"a\nb"}),
        ("NAME=''", {"NAME": ""}),
        ('NAME="a # b"', {"NAME": "a # b"}),
        ('NAME="a" # why "here"', {"NAME": "a"}),
        (r'NAME="a\nb\tc\"d\\e"', {"NAME": 'a\nb\tc"d\\e'}),
        (r'NAME="a\xb"', {"NAME": r"a\xb"}),
        (r'NAME="C:\\new"', {"NAME": r"C:\new"}),
        ('NAME="it\'s"', {"NAME": "it's"}),
        ("NAME='say \"x\"'", {"NAME": 'say "x"'}),
        ("NAME=a\u2028b", {"NAME": "a\u2028b"}),
        ("NAME=a\x0cb", {"NAME": "a\x0cb"}),
        # another form: passed over, and then "not set" says so
        ("", {}),
        ("# NAME=value", {}),
        ("NAME", {}),
        ("=value", {}),
        ("1NAME=value", {}),
        ("NA-ME=value", {}),
        ('NAME="-----BEGIN KEY', {}),
        ("NAME='open", {}),
        (r'NAME="open\"', {}),
        ('NAME="a"b', {}),
    ],
)
def test_a_line_means(tmp_path: Path, line: str, found: dict[str, str]) -> None:
    path = tmp_path / ".env"
    path.write_text(f"BEFORE=1\n{line}\nAFTER=2", encoding="utf-8", newline="")
    assert read_env_file(path) == {"BEFORE": "1", **found, "AFTER": "2"}


def test_the_last_line_of_a_name_holds(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nA=2\n", encoding="utf-8")
    assert read_env_file(path) == {"A": "2"}


def test_line_ends_of_windows_and_a_byte_order_mark_are_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfA=1\r\nB='2'\r\n")
    assert read_env_file(path) == {"A": "1", "B": "2"}


def test_what_is_not_utf_8_or_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(UnicodeDecodeError):
        read_env_file(tmp_path / ".env")
    with pytest.raises(FileNotFoundError):
        read_env_file(tmp_path / "missing")
