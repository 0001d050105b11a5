"""A student's first minutes: a real JupyterLab in a real browser."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ROOT

RELEASE = ROOT / "notebooks" / "01_feature_extraction" / "01_feature_extraction.ipynb"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WRONG = "def masked_mean(hidden, mask):\n    return hidden.mean(1)"
RIGHT = (
    "def masked_mean(hidden, mask):\n"
    "    weights = mask.to(hidden.dtype).unsqueeze(-1)\n"
    "    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)"
)
PATIENCE = 180_000  # milliseconds: a loaded machine takes its time to import torch

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium found; Debian, Ubuntu: apt-get install chromium"),
]


@contextlib.contextmanager
def jupyterlab(folder):
    """JupyterLab on loopback, its settings in `folder`; yields the address of its first page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # JupyterLab asks at its first start whether to fetch news; a test answers before it is asked.
    overrides = folder / "settings" / "overrides.json"
    overrides.parent.mkdir()
    overrides.write_text(
        '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}'
    )
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"),
        *(
            "--IdentityProvider.token=test",
            f"--ServerApp.root_dir={folder}",
            f"--LabApp.app_settings_dir={overrides.parent}",
        ),
        *(["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
    ]
    homes = {name: str(folder / name.lower()) for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **homes})
    try:
        for _ in range(300):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=test", timeout=5),
            ):
                break
            assert server.poll() is None, (folder / "lab.log").read_text()
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/lab/tree/{RELEASE.name}?token=test"
    finally:
        server.terminate()
        server.wait(30)


def test_wrong_answer_right_answer_validate(tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install -e '.[test]'")
    shutil.copy(RELEASE, tmp_path)
    with jupyterlab(tmp_path) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(address)

        def cell(text):
            return page.locator(".jp-CodeCell", has_text=text).first

        def run(text, code=None):
            cell(text).locator(".cm-content").click()
            if code:
                page.keyboard.press("Control+a")
                page.keyboard.insert_text(code)
            page.keyboard.press("Control+Enter")

        page.get_by_text("| Idle").wait_for()
        run("import torch.nn.functional")
        page.locator(".jp-InputPrompt", has_text="[1]:").first.wait_for()

        check = 'with check("01.masked_mean")'
        run("def masked_mean", WRONG)
        run(check)
        output = cell(check).locator(".jp-OutputArea")
        output.get_by_text("You averaged over the padding positions too").wait_for()
        assert "Traceback" not in output.inner_text()
        assert "01.masked_mean.pads_averaged" in output.inner_text()

        run("def masked_mean", RIGHT)
        run(check)
        output.get_by_text("✓ 01.masked_mean: all of these checks passed.").wait_for()

        page.get_by_role("toolbar", name="main area toolbar").get_by_text("Validate").click()
        dialog = page.locator(".jp-Dialog")
        dialog.get_by_text("Not attempted").first.wait_for()  # the other exercises
        assert "averaged over the padding" not in dialog.inner_text()
        assert "set_trainable" in dialog.inner_text()
        browser.close()
