"""The live log as tutorials write it: a row per line, a group_send per line, a consumer that passes it on.

python -m bench.naive write KEY COUNT RATE
"""

import json
import os
import sys
import time
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.naive_settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from asgiref.sync import async_to_sync  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402

from bench.log_rows import LogRow, make_table  # noqa: E402
from bench.log_writer import text_of  # noqa: E402


class NaiveConsumer(AsyncWebsocketConsumer):
    """Joins the group of a deployment and sends whatever comes."""

    async def connect(self) -> None:
        self.group = f"deployment.{self.scope['url_route']['kwargs']['key']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send('{"type":"connected"}')

    async def log_line(self, event: dict[str, Any]) -> None:
        await self.send(json.dumps({"type": "log", "seq": event["seq"], "lines": [{"text": event["text"]}]}))


websocket_application = URLRouter([re_path(r"^ws/(?P<key>\d+)/$", NaiveConsumer.as_asgi())])
application = ProtocolTypeRouter({"http": django_application, "websocket": websocket_application})


def write(key: int, count: int, rate: float) -> None:
    """One row and one message for each line."""
    send = async_to_sync(get_channel_layer().group_send)
    began = time.monotonic()
    for number in range(count):
        if rate:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        text = text_of(number)
        LogRow.objects.create(deployment=key, step=1, number=number + 1, level="info", text=text)
        send(f"deployment.{key}", {"type": "log_line", "seq": number + 1, "text": text})


if __name__ == "__main__":
    if sys.argv[1] == "table":
        make_table()
    else:
        write(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
