from djl_trtllm.formats.token_json import TokenJson
from djl_trtllm.formats.token_line import TokenLine

def token_line(tokens: TokenJson, opening: str, closing: str) -> TokenLine: ...
