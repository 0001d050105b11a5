"""Between a submission's kernel and the grader: whatever the kernel sends, the notebook stays bounded, valid and true.

Student code runs in the kernel and can send any message in its name. So outputs are cut to text and pictures, counted
in bytes, and kept in the cell that runs; an error once shown stays shown.
"""

import asyncio
import json
import re
from queue import Empty
from time import monotonic

import zmq
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from nbclient.exceptions import CellExecutionComplete, DeadKernelError
from nbclient.util import ensure_async
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from traitlets import Integer, Type

from course_utils.grading.limits import MIB, Limits

OUTPUT_LIMIT = "OutputLimit"
SHOWN = ("text/plain", "image/png", "image/jpeg")  # what a page can show without running anything
MAX_ERROR, MAX_OUTPUTS = 20_000, 1000
# Bytes of a message with outputs, of another, and messages that wait: else a kernel fills the memory of its grader.
MAX_SHOWN, MAX_MESSAGE, MAX_WAITING = 128 * MIB, 32 * MIB, 2
STOP_SECONDS = 3


class Channel(AsyncZMQSocketChannel):
    """Ends waiting when it is time even if messages never cease, and lets others have a turn in between."""

    async def get_msg(self, timeout=None):
        await asyncio.sleep(0)
        if timeout is not None and timeout <= 0:
            raise Empty
        return await super().get_msg(timeout)


class Shell(Channel):
    """Counts the replies to each request: a second one was forged, or the first was."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.replies = {}

    async def get_msg(self, timeout=None):
        message = await super().get_msg(timeout)
        request = str(message["parent_header"].get("msg_id"))
        if message["msg_type"] == "execute_reply" and request in self.replies:
            self.replies[request] += 1
        return message


class Shown(Channel):
    """Notes when the connection ends, as it does, for good, with a message that is too large."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.ended = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)


class Client(AsyncKernelClient):
    """Is ready when the kernel has answered on both channels; jupyter_client's waits 0.2 s longer each time."""

    shell_channel_class, iopub_channel_class = Type(Shell), Type(Shown)
    cut_off = False  # the kernel lives, but nothing it shows arrives any more

    def _create_connected_socket(self, channel, identity=None):
        # What a context is told counts for its later sockets; once a socket is connected it is too late.
        self.context.setsockopt(zmq.MAXMSGSIZE, MAX_SHOWN if channel == "iopub" else MAX_MESSAGE)
        self.context.setsockopt(zmq.RCVHWM, MAX_WAITING)
        return super()._create_connected_socket(channel, identity)

    async def _async_is_alive(self):
        alive = await super()._async_is_alive()
        if alive and await self.iopub_channel.ended.poll(0):
            await asyncio.sleep(0.5)  # a kernel that ends takes its connections along a moment earlier
            self.cut_off = await super()._async_is_alive()
            return False
        return alive

    is_alive = _async_is_alive

    def execute(self, *args, **options):
        request = super().execute(*args, **options)
        self.shell_channel.replies[request] = 0
        return request

    async def _async_wait_for_ready(self, timeout=None):
        deadline = monotonic() + (timeout or 60)
        while monotonic() < deadline:
            request = self.kernel_info()
            try:
                while (await self.shell_channel.get_msg(timeout=1))["parent_header"].get("msg_id") != request:
                    pass
                while not _is_idle(await self.iopub_channel.get_msg(timeout=0.2), request):
                    pass
                return
            except Empty:
                if not await self._async_is_alive():
                    break
        raise RuntimeError("the kernel did not answer")

    wait_for_ready = _async_wait_for_ready


class Guarded(Execute):
    """nbgrader's Execute for kernels that may send anything."""

    output_bytes = Integer(help="Bytes of all outputs of a notebook; a cell may use half of what is left.").tag(
        config=True
    )

    def _output_bytes_default(self):
        return Limits.from_environment().output_bytes

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.store_widget_state = False
        self.spent = 0

    def create_kernel_manager(self):
        manager = super().create_kernel_manager()
        manager.client_class = f"{__name__}.Client"
        return manager

    def begin(self, cell) -> None:
        """To be called before a cell runs: it may use half of what is left."""
        self.room, self.flooded = max(self.output_bytes - self.spent, 0) // 2, False

    def process_message(self, msg, cell, cell_index):
        kind, content = msg["msg_type"], msg["content"] if isinstance(msg["content"], dict) else {}
        if kind == "status" and content.get("execution_state") == "idle":
            raise CellExecutionComplete
        count = content.get("execution_count")
        if type(count) is int and 0 <= count < 2**31:
            cell.execution_count = count
        if kind == "clear_output":
            cell.outputs = [output for output in cell.outputs if output.output_type == "error"]
        elif kind == "error":
            if sum(output.output_type == "error" for output in cell.outputs) < 3:
                cell.outputs.append(self._error(content))
        elif kind in ("stream", "display_data", "execute_result"):
            output = _clean(kind, content)
            if _size(output) > self.room or len(cell.outputs) >= MAX_OUTPUTS:
                self._stop_flood(cell)
            else:
                cell.outputs.append(self._charged(output))
        # Messages of widgets, updates of other cells' displays and all else are dropped: no score needs them.
        return None

    def _charged(self, output):
        self.room, self.spent = self.room - _size(output), self.spent + _size(output)
        return output

    def _error(self, content):
        """An error output: never left out, but without its traceback where there is no room."""
        output = _clean("error", content)
        if _size(output) > self.room:
            text = output.evalue[:200]
            output = new_output("error", ename=output.ename, evalue=text, traceback=[f"{output.ename}: {text}"])
        return self._charged(output)

    def note_flood(self, cell) -> None:
        """Give the cell, once, the error of one that shows too much."""
        if not self.flooded:
            self.flooded = True
            text = "This cell printed more than a submission may. Print less, for instance not in every step of a loop."
            cell.outputs.append(new_output("error", ename=OUTPUT_LIMIT, evalue=text, traceback=[text]))

    def _stop_flood(self, cell):
        """Stop the cell, and its kernel if that does not help."""
        if self.flooded:
            return
        self.note_flood(cell)
        manager = self.km

        async def stop():
            await ensure_async(manager.interrupt_kernel())
            await asyncio.sleep(STOP_SECONDS)
            if self.task_poll_for_reply in waiting and not self.task_poll_for_reply.done():
                await ensure_async(manager.provisioner.kill())

        waiting = [self.task_poll_for_reply]
        self._stopping = asyncio.ensure_future(stop())

    def on_cell_executed(self, **event):
        content = event["execute_reply"]["content"]
        if content.get("status") != "ok":
            content |= self._error(content) | {"status": "error"}
        super().on_cell_executed(**event)
        payload = content.get("payload")
        if isinstance(payload, list) and any(isinstance(p, dict) and p.get("source") == "ask_exit" for p in payload):
            raise DeadKernelError("the cell called exit, and Python ends at some later moment")


def _is_idle(message, request):
    idle = message["msg_type"] == "status" and message["content"].get("execution_state") == "idle"
    return idle and message["parent_header"].get("msg_id") == request


def _text(value):
    """Text that can be written to a file: half a character, which JSON can hold, cannot."""
    return str(value).encode("utf-8", "replace").decode()


def _size(output):
    return len(json.dumps(output))


def _clean(kind, content):
    """The output of a message, with fields of the right types and nothing but text and pictures."""
    if kind == "stream":
        name = content.get("name") if content.get("name") in ("stdout", "stderr") else "stdout"
        return new_output("stream", name=name, text=_text(content.get("text", "")))
    if kind == "error":
        lines = content.get("traceback")
        lines = [_text(line)[:MAX_ERROR] for line in lines[:50]] if isinstance(lines, list) else []
        ename, evalue = (_text(content.get(key, ""))[:MAX_ERROR] for key in ("ename", "evalue"))
        return new_output("error", ename=ename[:200] or "Error", evalue=evalue, traceback=lines)
    data = content.get("data")
    data = data if isinstance(data, dict) else {}
    data = {key: _text(data[key]) for key in SHOWN if isinstance(data.get(key), str)}
    for picture in SHOWN[1:]:
        if not re.fullmatch(r"[A-Za-z0-9+/=\s]*", data.get(picture, "")):
            del data[picture]
    # As a display: nbgrader would read a number that is a check cell's result as its score.
    return new_output("display_data", data=data or {"text/plain": ""})
