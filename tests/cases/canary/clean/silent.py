"""Nothing came out."""


def test(tmp_path):
    (tmp_path / "log").write_text("nothing")
