from pathlib import Path

import pytest

from djl_trtllm.s3 import client
from djl_trtllm.s3.boto import Boto
from djl_trtllm.s3.errors import S3Error
from djl_trtllm.s3.s5cmd import S5cmd
from tests.support import fake_s5cmd, s3


def test_boto3_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    s3.point(monkeypatch, s3.ENVIRONMENT)
    assert isinstance(client.connect({}), Boto)


def test_s5cmd_where_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "find_spec", lambda name: None)
    monkeypatch.setattr(client, "S5CMD", tmp_path / "djl" / "s5cmd")
    with pytest.raises(S3Error, match=r"neither boto3, nor s5cmd .*pip install 'djl-trtllm\[s3\]'"):
        client.connect({"PATH": str(tmp_path)})
    (tmp_path / "djl").mkdir()
    fake_s5cmd.write(tmp_path / "djl")
    assert isinstance(client.connect({"PATH": str(tmp_path)}), S5cmd)
    fake_s5cmd.write(tmp_path)
    found = client.connect({"PATH": str(tmp_path)})
    assert isinstance(found, S5cmd)
    assert found._command[0] == str(tmp_path / "s5cmd")
