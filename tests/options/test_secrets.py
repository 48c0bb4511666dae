import pytest

from djl_trtllm.options.secrets import HIDDEN, clean, shown, without
from djl_trtllm.options.table import SPECS


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("s3://bucket/model?X-Amz-Signature=abcdef0123", "abcdef0123"),
        ("https://me:hunter2@host/m", "hunter2"),
        ("https://token@host/m", "token@"),
        ("owner/name hf_abcdefghijklmnop", "hf_abcdefghijklmnop"),
        ("token=s3cr3tvalue, other", "s3cr3tvalue"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJhbGci"),
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str, hidden: str) -> None:
    assert hidden not in clean(text)
    assert HIDDEN in clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/model",
        "meta-llama/Llama-3-8B@main",
        "/opt/ml/model",
        "49152 tokens (option openvino_kv_cache=512MiB)",
        "tokenizer=gpt2: max_input_len=1024",
        "what is it? nothing",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert clean(text) == text


def test_names_decide_too() -> None:
    assert shown("hf_token", "anything") == HIDDEN
    assert shown("s3_secret_key", "anything") == HIDDEN
    assert shown("tokenizer", "gpt2") == "gpt2"
    assert shown("hf_token", "") == ""


def test_no_option_is_taken_for_a_secret_by_its_name() -> None:
    assert {name for name in SPECS if shown(name, "1") == HIDDEN} == set()


def test_an_environment_without_credentials() -> None:
    kept = {"PATH": "/bin", "TOKENIZERS_PARALLELISM": "false", "OPTION_MAX_NUM_TOKENS": "5", "HF_HOME": "/x"}
    secret = ("HF_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "OPENAI_API_KEY")
    assert without({**kept, **dict.fromkeys(secret, "x")}) == kept
