"""Damaged files and pictures, a few of them."""

from tests.calls import call


def test_each_gives_a_picture_or_one_sentence(tmp_path):
    given = ("--files=12", "--pictures=4", f"--folder={tmp_path}")
    said = call("-m", "tools.robustness.fuzz", *given)[0]
    assert "files: 12 tried" in said
    assert "pictures: 4 tried" in said
    assert not list(tmp_path.glob("failures/*"))
