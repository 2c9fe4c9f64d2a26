"""The live log through real processes: a writer, web processes, sockets that are cut."""

import asyncio
import hashlib
import json
import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from bench.harness import Portal, free_port, memory_mb, redis_server, stop
from bench.sockets import Closed, Refused, Socket


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with Portal() as portal:
        portal.serve()
        yield portal


@pytest.fixture(scope="module")
def ready(portal: Portal) -> list[dict[str, Any]]:
    """Made at once, because each process costs a second."""
    return make(portal, 20)


@pytest.fixture
def made(ready: list[dict[str, Any]]) -> dict[str, Any]:
    return ready.pop()


def make(portal: Portal, count: int = 1) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in portal.run("-m", "bench.log_writer", "make", str(count)).splitlines()
    ]


def write(portal: Portal, made: dict[str, Any], count: int, rate: float = 0) -> Any:
    return portal.start("-m", "bench.log_writer", "write", str(made["key"]), str(count), str(rate))


def address(made: dict[str, Any], after: int = 0) -> str:
    return f"/ws/deployments/{made['id']}/?after={after}"


async def connect(portal: Portal, made: dict[str, Any], after: int = 0, port: int = 0) -> Socket:
    return await Socket.open(
        port or portal.port, address(made, after), Authorization=f"Bearer {made['token']}"
    )


async def receive(socket: Socket, kind: str, timeout: float = 10) -> dict[str, Any]:
    """The next message of a kind; others are passed over."""
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.receive(), timeout))
        if message["type"] == kind:
            return message


class Screen:
    """What a viewer sees: lines in the order in which they came, with all that comes twice or too early counted."""

    def __init__(self) -> None:
        self.last = 0
        self.wrong = 0
        self.digest = hashlib.sha256()

    def show(self, message: dict[str, Any]) -> None:
        for line in message["lines"]:
            self.wrong += line["seq"] != self.last + 1
            self.last = line["seq"]
            self.digest.update(f"{line['seq']} {line['text']}\n".encode())


def table_digest(portal: Portal, made: dict[str, Any]) -> str:
    code = (
        "import django, hashlib; django.setup()\n"
        "from deployments import logs\n"
        "digest, after = hashlib.sha256(), 0\n"
        f"while page := logs.read({made['key']}, after=after, limit=2000):\n"
        "    digest.update(''.join(f'{line.number} {line.text}\\n' for line in page).encode())\n"
        "    after = page[-1].number\n"
        "print(digest.hexdigest())\n"
    )
    return portal.run("-c", code).strip()


async def watch_with_cuts(portal: Portal, made: dict[str, Any], lines: int, cuts: int) -> Screen:
    """Read to the end while the connection breaks at random moments; each time go on behind the last line."""
    generator = random.Random(1)
    places = sorted(generator.sample(range(1, lines), cuts))
    screen = Screen()
    socket = await connect(portal, made)
    while screen.last < lines:
        screen.show(await receive(socket, "log", timeout=30))
        socket.acknowledge(screen.last)
        if places and screen.last >= places[0]:
            places = [place for place in places if place > screen.last]
            socket.cut()
            socket = await connect(portal, made, screen.last)
    socket.cut()
    return screen


def test_100_000_lines_with_50_cuts_arrive_once_and_in_order(portal, made):
    writer = write(portal, made, 100_000)

    screen = asyncio.run(watch_with_cuts(portal, made, 100_000, 50))

    assert writer.wait(60) == 0
    assert screen.wrong == 0
    assert screen.digest.hexdigest() == table_digest(portal, made)


@pytest.mark.e2e
def test_a_web_process_that_is_killed_costs_no_line(portal, made):
    port = free_port()
    first = portal.serve(port)

    async def watch() -> Screen:
        screen = Screen()
        writer = write(portal, made, 2000, 1500)
        socket = await connect(portal, made, port=port)
        while screen.last < 1000:
            screen.show(await receive(socket, "log"))
            socket.acknowledge(screen.last)
        stop(first, signal.SIGKILL)
        with pytest.raises(Closed):
            while True:
                screen.show(json.loads(await asyncio.wait_for(socket.receive(), 5)))
        second = await asyncio.to_thread(portal.serve, port)
        socket = await connect(portal, made, screen.last, port=port)
        while screen.last < 2000:
            screen.show(await receive(socket, "log"))
            socket.acknowledge(screen.last)
        assert await asyncio.to_thread(writer.wait, 30) == 0
        stop(second)
        return screen

    screen = asyncio.run(watch())
    assert screen.wrong == 0
    assert screen.digest.hexdigest() == table_digest(portal, made)


def test_the_end_is_told_after_the_last_line_and_to_who_comes_later(portal, made):
    assert write(portal, made, 30).wait(30) == 0
    portal.run("-m", "bench.log_writer", "finish", str(made["key"]))

    async def watch() -> list[dict[str, Any]]:
        socket = await connect(portal, made)
        return [json.loads(await asyncio.wait_for(socket.receive(), 5)) for _ in range(3)]

    connected, log, end = asyncio.run(watch())
    assert (connected["type"], log["seq"]) == ("connected", 30)
    assert end["type"] == "deployment_complete"
    assert end["url"] == "http://127.0.0.1/"


def test_the_subscribe_message_works_and_sends_no_lines_unless_asked(portal, made):
    assert write(portal, made, 5).wait(30) == 0

    async def watch() -> None:
        socket = await Socket.open(portal.port, "/ws/", Authorization=f"Bearer {made['token']}")
        await receive(socket, "connected")
        socket.send(json.dumps({"type": "subscribe_deployment", "deployment_id": made["short_id"]}))
        with pytest.raises(TimeoutError):
            await receive(socket, "log", timeout=0.5)
        socket.send(json.dumps({"type": "subscribe_deployment", "deployment_id": made["id"], "after": 3}))
        message = await receive(socket, "log")
        assert [line["seq"] for line in message["lines"]] == [4, 5]
        socket.send('{"type":"ping"}')
        await receive(socket, "pong")

    asyncio.run(watch())


def test_another_teams_person_gets_nothing(portal, made, ready):
    other = ready.pop()

    async def watch() -> None:
        with pytest.raises(Refused, match="403"):
            await Socket.open(portal.port, address(made), Authorization=f"Bearer {other['token']}")
        socket = await Socket.open(portal.port, "/ws/", Authorization=f"Bearer {other['token']}")
        socket.send(json.dumps({"type": "subscribe_deployment", "deployment_id": made["id"], "after": 0}))
        message = await receive(socket, "deployment_error")
        assert message["error"] == "There is no such deployment."
        with pytest.raises(Refused, match="403"):
            await Socket.open(portal.port, address(made))
        with pytest.raises(Refused, match="403"):
            await Socket.open(portal.port, "/ws/other/", Authorization=f"Bearer {made['token']}")

    asyncio.run(watch())


@pytest.mark.parametrize(
    "text", ["not json", '{"type":"exec","command":"id"}', '{"type":"ping"' + " " * 4100 + "}", "[" * 4000]
)
def test_what_nobody_should_say_closes_the_socket_with_1008(portal, made, text):
    async def say() -> int:
        socket = await connect(portal, made)
        socket.send(text)
        with pytest.raises(Closed) as closed:
            await receive(socket, "never")
        return closed.value.code

    assert asyncio.run(say()) == 1008


def test_bytes_a_flood_and_a_giant_message_close_the_socket(portal, made):
    async def codes() -> list[int]:
        found = []
        for act in ("bytes", "flood", "giant"):
            socket = await connect(portal, made)
            if act == "bytes":
                socket.send_bytes(b'{"type":"ping"}')
            elif act == "flood":
                for _ in range(2000):
                    socket.send('{"type":"ping"}')
            else:
                socket.send("x" * 100_000)
            with pytest.raises(Closed) as closed:
                await receive(socket, "never")
            found.append(closed.value.code)
        return found

    assert asyncio.run(codes()) in ([1008, 1008, 1009], [1008, 1008, 1006])


def test_a_session_from_another_origin_is_refused_and_signing_out_ends_the_socket(portal, made):
    code = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "from portal.core.models import User\n"
        f"client = Client(); client.force_login(User.objects.get(username={made['username']!r}))\n"
        "print(client.cookies['portal_session'].value)\n"
    )
    cookie = f"portal_session={portal.run('-c', code).strip()}"
    origin = f"http://127.0.0.1:{portal.port}"

    async def watch() -> int:
        with pytest.raises(Refused, match="403"):
            await Socket.open(portal.port, address(made), Cookie=cookie, Origin="http://127.0.0.1:20000")
        with pytest.raises(Refused, match="403"):
            await Socket.open(portal.port, address(made), Cookie=cookie)
        socket = await Socket.open(portal.port, address(made), Cookie=cookie, Origin=origin)
        await receive(socket, "connected")
        reading = asyncio.ensure_future(receive(socket, "never", timeout=30))
        await asyncio.to_thread(sign_out)
        with pytest.raises(Closed) as closed:
            await reading
        with pytest.raises(Refused, match="403"):
            await Socket.open(portal.port, address(made), Cookie=cookie, Origin=origin)
        return closed.value.code

    def sign_out() -> None:
        portal.run(
            "-c",
            "import django; django.setup()\n"
            "import deployments.routing\n"
            "from django.test import Client\n"
            f"client = Client(HTTP_HOST='127.0.0.1'); client.cookies['portal_session'] = {cookie.partition('=')[2]!r}\n"
            "assert client.post('/logout/').status_code == 302\n",
        )

    assert asyncio.run(watch()) == 1008


@pytest.mark.e2e
def test_readers_who_do_not_read_cost_little_and_hold_up_nobody(portal, made):
    # A web process of its own, so that its memory is only about this.
    port = free_port()
    server = portal.serve(port)

    async def watch() -> tuple[Screen, float]:
        reader = await connect(portal, made, port=port)
        deaf = [await connect(portal, made, port=port) for _ in range(50)]
        before = memory_mb(server)
        writer = write(portal, made, 40_000)
        screen = Screen()
        while screen.last < 40_000:
            screen.show(await receive(reader, "log"))
            reader.acknowledge(screen.last)
        after = memory_mb(server)
        assert await asyncio.to_thread(writer.wait, 30) == 0
        for socket in deaf:
            socket.cut()
        return screen, after - before

    screen, grown = asyncio.run(watch())
    stop(server)
    assert screen.wrong == 0
    assert grown < 40


@pytest.mark.e2e
def test_a_reader_who_does_not_read_is_let_go(portal, made):
    assert write(portal, made, 5000).wait(30) == 0

    async def watch() -> int:
        socket = await connect(portal, made)
        with pytest.raises(Closed) as closed:
            await receive(socket, "never", timeout=20)
        return closed.value.code

    assert asyncio.run(watch()) == 1013


@pytest.mark.e2e
@pytest.mark.redis
def test_redis_that_goes_away_and_comes_back_costs_no_line():
    port = free_port()
    with Portal(redis_url=f"redis://127.0.0.1:{port}/0") as portal:
        (made,) = make(portal)

        async def watch() -> Screen:
            screen = Screen()
            with redis_server(port):
                await asyncio.to_thread(portal.serve)
                writer = write(portal, made, 6000, 1000)
                socket = await connect(portal, made)
                while screen.last < 1500:
                    screen.show(await receive(socket, "log"))
                    socket.acknowledge(screen.last)
            # Redis is gone; a new viewer is served as well.
            late = await connect(portal, made, 1000)
            assert (await receive(late, "log"))["lines"][0]["seq"] == 1001
            while screen.last < 4000:
                screen.show(await receive(socket, "log", timeout=5))
                socket.acknowledge(screen.last)
            with redis_server(port):
                while screen.last < 6000:
                    screen.show(await receive(socket, "log", timeout=5))
                    socket.acknowledge(screen.last)
            assert await asyncio.to_thread(writer.wait, 30) == 0
            return screen

        screen = asyncio.run(watch())
        assert screen.wrong == 0
        assert screen.digest.hexdigest() == table_digest(portal, made)
