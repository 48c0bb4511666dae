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
