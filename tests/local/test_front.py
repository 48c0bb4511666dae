import asyncio
import json
import threading
import types
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from djl_trtllm.local import front as module
from djl_trtllm.local.engine import ChunkTimeout, Part, PredictError
from djl_trtllm.local.front import Front
from djl_trtllm.local.gate import Gate, Place
from djl_trtllm.local.pump import Pump


class Answers:
    """A predictor that answers every request with the same parts, and keeps what it was asked."""

    def __init__(self, *parts: Part | Exception) -> None:
        self.parts = parts
        self.asked: list[tuple[bytes, dict[str, str]]] = []

    def predict(self, body, headers):
        self.asked.append((body, dict(headers)))
        parts = list(self.parts)

        class Source:
            def next(self, timeout):
                part = parts.pop(0)
                if isinstance(part, Exception):
                    raise part
                return part

        return Source()


def run(
    scenario: Callable[[Front, httpx.AsyncClient], Awaitable[None]], answers: Answers | None = None, places=2
) -> None:
    """Run a scenario against a front; open when it has answers, else still loading."""

    async def main():
        front = Front("mine")
        if answers is not None:
            loop = asyncio.get_running_loop()
            front.opened(Gate(places, 1), Pump(answers, max(places, 1), 1, loop))
        transport = httpx.ASGITransport(front.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
            await scenario(front, client)

    asyncio.run(main())


def test_while_loading():
    async def scenario(front, client):
        assert (await client.get("/ping")).json() == {"mine": {"status": "Unhealthy"}}
        refused = await client.post("/invocations", content=b"{}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["message"] == "Model mine is loading."
        front.stopping()
        refused = await client.post("/invocations", content=b"{}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["message"] == "The server is stopping; send the request again."

    run(scenario)


def test_a_request_reaches_the_engine_with_its_headers():
    answers = Answers(Part(b"yes", True, 200, "", {"Content-Type": "text/x"}))

    async def scenario(front, client):
        headers = {"X-Request-Id": "7", "X-Amzn-SageMaker-Custom-Attributes": "a=1;b= 2 ;;c"}
        got = await client.post("/predictions/mine", content=b"body", headers=headers)
        assert (got.content, got.headers["content-type"], got.headers["x-request-id"]) == (
            b"yes",
            "text/x",
            "7",
        )
        ((body, seen),) = answers.asked
        assert body == b"body"
        assert (seen["a"], seen["b"], seen["c"], seen["requestId"]) == ("1", "2", "", "7")
        assert "x-amzn-sagemaker-custom-attributes" not in seen

    run(scenario, answers)


@pytest.mark.parametrize(
    "headers",
    [
        {"handler": "_load", "model_id": "any/thing", "trust_remote_code": "true"},
        {"Handler": "handle"},
        {"X-Amzn-SageMaker-Custom-Attributes": "a=1; HANDLER =Output"},
    ],
)
def test_no_client_names_a_function_of_the_worker(headers):
    answers = Answers(Part(b"yes", True))

    async def scenario(front, client):
        for path in ("/invocations", "/predictions/mine", "/v1/chat/completions"):
            got = await client.post(path, content=b"body", headers=headers)
            assert (got.status_code, got.json()["message"]) == (
                400,
                "The handler can't be overridden in a request.",
            )
        assert answers.asked == []

    run(scenario, answers)


@pytest.mark.parametrize("given", ["a b", "\x80", "x" * 257, ""])
def test_an_odd_id_of_a_request_is_replaced(given):
    answers = Answers(Part(b"yes", True))

    async def scenario(front, client):
        got = await client.post(
            "/invocations", content=b"", headers={"x-request-id": given.encode("latin-1")}
        )
        ((_, seen),) = answers.asked
        assert got.headers["x-request-id"] == seen["requestId"] != given
        assert len(seen["requestId"]) == 36

    run(scenario, answers)


def test_what_java_refuses():
    async def scenario(front, client):
        got = await client.post("/invocations", content=b"x")
        assert got.status_code == 400
        assert got.json() == {"code": 400, "type": "TranslateException", "message": "Stopped."}

    run(scenario, Answers(PredictError(400, "TranslateException", "Stopped.")))


@pytest.mark.parametrize("part", [Part(b"", True, 400, "a\nb"), Part(b"", False, 200, "", {"X": "a\nb"})])
def test_a_line_break_from_the_handler_is_500(part):
    async def scenario(front, client):
        got = await client.post("/invocations", content=b"x")
        assert (got.status_code, got.json()["type"]) == (500, "IllegalArgumentException")

    run(scenario, Answers(part, Part(b"", True)))


def test_an_unexpected_error_is_logged_and_500(caplog):
    async def scenario(front, client):
        got = await client.post("/invocations", content=b"x")
        assert (got.status_code, got.json()["type"]) == (500, "InternalServerException")

    run(scenario, Answers(KeyError("odd")))
    assert "A request failed in the front." in caplog.text


def test_limits_of_a_body(monkeypatch):
    monkeypatch.setattr(module, "BODY_LIMIT", 10)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"123456"
        yield b"123456"

    answers = Answers(Part(b"yes", True))

    async def scenario(front, client):
        assert (await client.post("/invocations", content=b"x" * 10)).status_code == 200
        for content in (b"x" * 11, pieces()):
            got = await client.post("/invocations", content=content)
            assert (got.status_code, got.json()["code"]) == (413, 413)
        assert len(answers.asked) == 1

    run(scenario, answers)


def test_no_place_and_no_room_to_wait():
    async def scenario(front, client):
        waiting = asyncio.create_task(client.post("/invocations", content=b"x"))
        await asyncio.sleep(0.05)
        full = await client.post("/invocations", content=b"x")
        assert (full.status_code, full.json()["type"]) == (503, "WlmCapacityException")
        front.stopping()
        for turned_away in (await waiting, await client.post("/invocations", content=b"x")):
            assert turned_away.json()["message"] == "The server is stopping; send the request again."
            assert (turned_away.status_code, turned_away.headers["retry-after"]) == (503, "5")
        assert (await client.get("/ping")).json() == {"mine": {"status": "Unhealthy"}}

    run(scenario, Answers(Part(b"yes", True)), places=0)


def test_cut_connections():
    """ChunkTimeout before and after the head: reset is called, and nothing more is sent."""

    async def one(*parts):
        front = Front("mine")
        front.opened(Gate(1, 1), Pump(Answers(*parts), 1, 1, asyncio.get_running_loop()))
        sent, resets = [], []
        news = [{"type": "http.request", "body": b"x", "more_body": False}]

        async def receive():
            if news:
                return news.pop(0)
            if not resets:
                await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/invocations",
            "headers": [],
            "query_string": b"",
            "extensions": {"djl_trtllm.reset": lambda: resets.append(1)},
        }
        await front.app(scope, receive, send)
        assert resets == [1]
        return [message["type"] for message in sent]

    async def both():
        assert await one(ChunkTimeout()) == []
        begun = await one(Part(b"a", False), ChunkTimeout())
        assert begun == ["http.response.start", "http.response.body"]
        begun = await one(Part(b"a", False), KeyError("odd"))
        assert begun == ["http.response.start", "http.response.body"]

    asyncio.run(both())


class Conversation:
    """One request without a server: what the application sent, and how often it cut the connection."""

    def __init__(self, *news) -> None:
        self.sent: list[dict] = []
        self.resets = 0
        self._news = list(news)

    @property
    def scope(self):
        return {
            "type": "http",
            "method": "POST",
            "path": "/invocations",
            "headers": [],
            "query_string": b"",
            "extensions": {"djl_trtllm.reset": self.reset},
        }

    def reset(self):
        self.resets += 1

    async def receive(self):
        if self._news:
            return self._news.pop(0)
        if not self.resets:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)


def test_the_end_cuts_who_is_still_there():
    """An upload that does not end and an answer that has not begun: 503. One in mid-stream: the connection is cut."""
    whole = {"type": "http.request", "body": b"x", "more_body": False}
    never = threading.Event()

    def sources():
        for first in ([], [Part(b"a", False)]):
            parts = list(first)

            class Source:
                def next(self, timeout, parts=parts):
                    return parts.pop(0) if parts else never.wait(60)

            yield Source()

    async def main():
        front = Front("mine")
        found = sources()
        predictor = types.SimpleNamespace(predict=lambda body, headers: next(found))
        front.opened(Gate(2, 1), Pump(predictor, 2, 1, asyncio.get_running_loop()))
        talks = [
            Conversation({"type": "http.request", "body": b"x", "more_body": True}),
            Conversation(whole),
            Conversation(whole),
        ]
        tasks = []
        for one in talks:
            tasks.append(asyncio.ensure_future(front.app(one.scope, one.receive, one.send)))
            await asyncio.sleep(0.05)
        assert front.answering == frozenset(tasks)
        front.stopping()
        front.cut(front.answering)
        await asyncio.wait(tasks, timeout=10)
        assert not front.answering
        for told in talks[:2]:
            start, body = told.sent
            assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
            assert json.loads(body["body"])["message"].startswith("The server is stopping")
        assert [message["type"] for message in talks[2].sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert [one.resets for one in talks] == [0, 0, 1]

    asyncio.run(main())
    never.set()


def test_a_task_that_is_cancelled_for_another_reason_is_none_of_the_fronts():
    async def main():
        front = Front("mine")
        front.opened(Gate(1, 1), Pump(Answers(), 1, 1, asyncio.get_running_loop()))
        one = Conversation()
        task = asyncio.ensure_future(front.app(one.scope, one.receive, one.send))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not one.sent

    asyncio.run(main())


def test_a_client_that_left_while_waiting_gives_its_place_back():
    answers = Answers(Part(b"yes", True))

    async def scenario():
        front, gate = Front("mine"), Gate(1, 1)
        front.opened(gate, Pump(answers, 1, 1, asyncio.get_running_loop()))
        news = [{"type": "http.request", "body": b"x", "more_body": False}, {"type": "http.disconnect"}]

        async def receive():
            return news.pop(0)

        async def send(message):
            raise AssertionError(message)

        scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": [], "query_string": b""}
        await front.app(scope, receive, send)
        assert answers.asked == []
        await asyncio.wait_for(gate.enter(), 1)

    asyncio.run(scenario())


def test_forms_and_unknown_paths():
    answers = Answers(Part(b"yes", True))

    async def scenario(front, client):
        await client.post("/invocations", data={"a": "b"})
        assert answers.asked[0][0] == b""
        assert json.loads((await client.get("/")).content)["code"] == 404
        assert (await client.post("/ping")).status_code == 404
        assert (await client.post("/models/other/invoke")).json()["type"] == "ModelNotFoundException"
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "mine"

    run(scenario, answers)


@pytest.mark.parametrize(
    ("path", "status", "asked"), [("/invocations", 200, 1), ("/predictions/other", 404, 0)]
)
def test_a_place_that_comes_with_a_request_is_used_or_given_back(path, status, asked):
    answers = Answers(Part(b"yes", True, 200, "", {}))

    async def main():
        front, gate = Front("mine"), Gate(1, 1)
        front.opened(gate, Pump(answers, 1, 1, asyncio.get_running_loop()))
        assert gate.take()
        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
        scope["extensions"] = {module.http.PLACE: Place(gate)}
        said = []

        async def receive():
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message):
            said.append(message)

        await front.app(scope, receive, send)
        assert said[0]["status"] == status
        assert len(answers.asked) == asked
        await asyncio.wait_for(gate.enter(), 10)

    asyncio.run(main())
