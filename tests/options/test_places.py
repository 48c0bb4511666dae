from pathlib import Path

from djl_trtllm.options import places


def test_where_the_cache_is() -> None:
    assert places.cache_directory("/x", {"DJL_CACHE_DIR": "/djl"}) == Path("/x")
    assert places.cache_directory(None, {"DJL_CACHE_DIR": "/djl", "XDG_CACHE_HOME": "/xdg"}) == Path(
        "/djl/djl_trtllm"
    )
    assert places.cache_directory(None, {"XDG_CACHE_HOME": "/xdg"}) == Path("/xdg/djl_trtllm")
    assert places.cache_directory(None, {"HOME": "/home/me"}) == Path("/home/me/.cache/djl_trtllm")


def test_free_space_of_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    assert places.free_bytes(tmp_path / "a" / "b") > 0


def test_names_that_no_path_can_have_are_not_there(tmp_path: Path) -> None:
    for name in ("~nobody-here/model", "/" + "x" * 5000):
        path = places.expanded(name)
        assert str(path) == name
        assert not places.is_directory(path)
        assert not places.is_file(path)
        assert not places.exists(path)
    assert places.expanded("~") == Path.home()
    assert places.is_directory(tmp_path)
    assert places.is_file(Path(__file__))
    assert places.exists(tmp_path)
