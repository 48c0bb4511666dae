"""The format `json`: one object when generation has ended (LMI v0.29 and later send it whole, as here)."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Request
from djl_trtllm.formats.base import Ending, Writer
from djl_trtllm.formats.errors import error_members
from djl_trtllm.formats.lmi_details import LmiDetails, cut_short
from djl_trtllm.formats.quoting import array
from djl_trtllm.formats.silent import SILENT
from djl_trtllm.formats.vocabulary import Vocabulary


class JsonResponse:
    """`{"generated_text": ..., "details": {...}}`; details, with every token, if asked for or if n > 1.

    The best sequence comes first, the others are in its `best_of_sequences`. A list of prompts gets a list of objects.
    An error replaces the text with null, as in LMI: a whole answer is never a part of one.
    """

    __slots__ = ("_details", "_listed", "_n", "_whole", "content_type", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "application/json"
        self._n = request.n
        self._listed = request.listed
        self._whole = self.keeps_tokens = request.details or request.n > 1
        self._details = LmiDetails(request, vocabulary.lmi)

    def writer(self, index: int) -> Writer:  # noqa: ARG002
        """Return one that says nothing."""
        return SILENT

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the object, or the list of them."""
        for ending in endings:
            if ending.error is not None:
                details = self._details.of_error(ending)
                return f'{{"generated_text":null,{error_members(ending.error)},"details":{details}}}'
        n = self._n
        objects = [self._object(endings[at : at + n]) for at in range(0, len(endings), n)]
        return array(objects) if self._listed else objects[0]

    def _object(self, endings: Sequence[Ending]) -> str:
        best, *others = sorted(endings, key=lambda ending: (-ending.score, ending.index))
        members = f'"generated_text":{self._details.text(best)}'
        if self._whole:
            members += f',"details":{self._details.of_whole(best, others)}'
        elif cut_short(best):
            members += f',"details":{self._details.of_error(best)}'
        return "{" + members + "}"
