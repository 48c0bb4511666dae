from pathlib import Path

from djl_trtllm.model.engine_directory import is_builders, rank_files
from tests.support import engine_directories as engines


def test_ranks_under_the_names_of_both_times(tmp_path: Path) -> None:
    for name in (
        "rank1.engine",
        "llama_float16_tp2_rank0.engine",
        "llama_float16_tp2_rank1.engine",
        "rank10.engine",
    ):
        (tmp_path / name).touch()
    for name in ("rankx.engine", "other.engine", "rank2.plan", "prank3.engine"):
        (tmp_path / name).touch()
    names = {rank: file.name for rank, file in rank_files(tmp_path).items()}
    assert names == {0: "llama_float16_tp2_rank0.engine", 1: "rank1.engine", 10: "rank10.engine"}


def test_whose_config_it_is() -> None:
    assert is_builders(engines.config())
    assert is_builders(engines.legacy_config())
    assert not is_builders({"model_type": "llama"})
    assert not is_builders({"build_config": None})
