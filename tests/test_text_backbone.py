"""The text backbone: what load_text returns, where it looks, and that pretraining resumes and refuses."""

import functools
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from course_utils import settings
from course_utils.backbones.pretrain_text import GATE, layer_features, ppmi_svd, pretrain_text, probe
from course_utils.backbones.resolve import resolve
from course_utils.backbones.text import load_text
from course_utils.datasets.reviews import load_reviews
from course_utils.errors import CourseError

EMBEDDED = settings.data_dir() / "backbones" / "text"


def test_encoder_gives_hidden_states_of_every_layer():
    model, tokenizer = load_text()
    batch = tokenizer(
        ["A superb film.", "The staff were rude, and the bill was a disaster."], padding=True, return_tensors="pt"
    )
    hidden = model(**batch, output_hidden_states=True).hidden_states
    assert not model.training
    assert len(hidden) == 5 and hidden[-1].shape == (*batch["input_ids"].shape, 128)
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_classification_head_has_the_labels_asked_for_and_follows_the_seed():
    def head(seed):
        torch.manual_seed(seed)
        return load_text(task="classification", num_labels=3)[0].classifier.weight

    assert head(0).shape == (3, 128)
    assert torch.equal(head(1), head(1)) and not torch.equal(head(1), head(2))


def test_masked_words_are_filled_with_words_that_fit():
    model, tokenizer = load_text(task="mlm")
    batch = tokenizer("The waiter was rude and the soup was [MASK].", return_tensors="pt")
    at = batch["input_ids"][0] == tokenizer.mask_token_id
    with torch.no_grad():
        best = model(**batch).logits[0, at].topk(5).indices[0]
    from course_utils.datasets.reviews import lexicon

    negative = {w for (_, sign), words in lexicon("all").items() for w in words if sign < 0}
    assert len(set(tokenizer.convert_ids_to_tokens(best)) & negative) >= 4


def test_random_weights_share_the_shape_and_nothing_else():
    trained, _ = load_text()
    torch.manual_seed(0)
    random, _ = load_text(pretrained=False)
    assert {k: v.shape for k, v in random.state_dict().items()} == {k: v.shape for k, v in trained.state_dict().items()}
    weight = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(random.get_parameter(weight), trained.get_parameter(weight))


def test_tokenizer_lower_cases_spells_unknown_words_and_truncates():
    _, tokenizer = load_text()
    assert tokenizer.tokenize("The PLOT was gripping!") == ["the", "plot", "was", "gripping", "!"]
    pieces = tokenizer.tokenize("zyzzyva")
    assert len(pieces) > 1 and tokenizer.unk_token not in pieces
    assert tokenizer.decode(tokenizer("zyzzyva")["input_ids"], skip_special_tokens=True) == "zyzzyva"
    assert len(tokenizer("dull " * 200, truncation=True)["input_ids"]) == 64
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    assert [getattr(tokenizer, name) for name in names] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_novel_opinion_words_are_whole_words_of_the_tokenizer():
    from course_utils.datasets.reviews import opinion_keys

    _, tokenizer = load_text()
    assert [w for w in opinion_keys("all") if len(tokenizer.tokenize(w)) > 1] == []


def test_checkpoint_is_small():
    assert sum(f.stat().st_size for f in EMBEDDED.iterdir()) < 6e6


def test_features_do_not_depend_on_what_else_is_in_the_list():
    model, tokenizer = load_text()
    texts = load_reviews("films", "validation")["text"][:20]
    together = layer_features(model, tokenizer, texts)
    alone = np.concatenate([layer_features(model, tokenizer, [t]) for t in texts], axis=1)
    assert together.shape == (5, 20, 128)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_installed_checkpoint_passes_its_gate_and_random_weights_do_not():
    scores = probe(*load_text(), seeds=2)
    assert all(scores[split] >= least for split, least in GATE.items())
    torch.manual_seed(0)
    assert probe(*load_text(pretrained=False), seeds=2)["test_novel"] < 0.65


def test_ppmi_svd_puts_words_with_the_same_company_together():
    texts = [[0, 2, 3], [1, 2, 3], [4, 6, 7], [5, 6, 7]] * 20
    vectors = ppmi_svd(texts, vocab_size=8, dim=6, seed=0)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > 0.99 and abs(vectors[0] @ vectors[4]) < 0.01


def tiny(out, steps=6):
    pretrain_text(out, seed=1, steps=steps, sentences=300, save_every=3, gate=None)
    return (out / "model.safetensors").read_bytes()


def test_interrupted_pretraining_resumes_to_the_same_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "a"))
    straight = tiny(tmp_path / "straight")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "b"))

    class Interrupted:
        def __init__(self, items, *_, **__):
            self.items = items

        def __iter__(self):
            for item in self.items:
                if item == 5:
                    raise KeyboardInterrupt
                yield item

        def set_postfix(self, **_):
            pass

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(settings, "progress", Interrupted)
        tiny(tmp_path / "resumed")
    assert not (tmp_path / "resumed").exists()
    capsys.readouterr()
    assert tiny(tmp_path / "resumed") == straight
    assert "Resumed at step 3 of 6." in capsys.readouterr().out
    assert list((tmp_path / "b").iterdir()) == []


def test_a_model_below_the_gate_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "text"
    out.mkdir()
    (out / "config.json").write_text("kept")
    with pytest.raises(CourseError, match="probe"):
        pretrain_text(out, seed=0, steps=1, sentences=200, gate={"test": 0.99})
    assert (out / "config.json").read_text() == "kept"


def test_unknown_task_missing_folder_and_folder_without_a_model_are_named(tmp_path, monkeypatch):
    with pytest.raises(CourseError, match="tagging"):
        load_text(task="tagging")
    with pytest.raises(CourseError, match="nowhere"):
        load_text(str(tmp_path / "nowhere"))
    with pytest.raises(CourseError, match="no text model"):
        load_text(str(tmp_path))
    monkeypatch.setenv("COURSE_TEXT_MODEL", "./not/here")
    with pytest.raises(CourseError, match="not/here"):
        load_text()


def test_resolve_takes_the_default_or_a_local_folder(tmp_path):
    assert resolve(None, EMBEDDED) == str(EMBEDDED) == resolve("", EMBEDDED)
    assert resolve(str(tmp_path), EMBEDDED) == str(tmp_path)
    with pytest.raises(CourseError, match="valid"):
        resolve("two words", EMBEDDED)


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download of one small model needs."""

    commit = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, *args, folder: Path):
        self.folder = folder
        super().__init__(*args)

    def do_GET(self, body=True):
        path = self.path.split("?")[0]
        files = [
            {"rfilename": f.name, "path": f.name, "type": "file", "size": f.stat().st_size, "oid": f.name}
            for f in self.folder.iterdir()
        ]
        if path.startswith("/api/models/course/tiny/tree/"):
            self.answer(200, json.dumps(files).encode(), body)
        elif path.startswith("/api/models/course/tiny"):
            self.answer(200, json.dumps({"id": "course/tiny", "sha": self.commit, "siblings": files}).encode(), body)
        elif path.startswith("/course/tiny/resolve/"):
            self.answer(200, (self.folder / path.rsplit("/", 1)[1]).read_bytes(), body)
        else:
            self.answer(404, b'{"error": "Repository not found"}', body, ("X-Error-Code", "RepoNotFound"))

    def do_HEAD(self):
        self.do_GET(body=False)

    def answer(self, status, content, body, *headers):
        self.send_response(status)
        for key, value in [("Content-Length", str(len(content))), ("X-Repo-Commit", self.commit), *headers]:
            self.send_header(key, value)
        self.send_header("ETag", f'"{hash(content) & 0xFFFFFFFF:x}"')
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def run_with_hub(endpoint: str, home: Path, code: str):
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "NO_PROXY": "*"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_hub_model_is_loaded_and_an_unknown_one_is_named(tmp_path):
    folder = tmp_path / "served"
    BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    ).save_pretrained(folder)
    load_text()[1].save_pretrained(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Hub, folder=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = """
from course_utils.backbones.text import load_text
from course_utils.errors import CourseError
print(load_text("course/tiny", task="classification")[0].config.hidden_size)
try:
    load_text("course/unknown")
except CourseError as error:
    print(error)
"""
    try:
        done = run_with_hub(f"http://127.0.0.1:{server.server_port}", tmp_path / "home", code)
    finally:
        server.shutdown()
        server.server_close()
    lines = done.stdout.splitlines()
    assert lines[0] == "16" and "course/unknown" in lines[1] and len(lines) == 2, done
    assert done.stderr == ""


def test_without_a_hub_one_line_says_so_and_the_embedded_model_comes(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        code = (
            "from course_utils.backbones.text import load_text; print(load_text('owner/model')[0].config.hidden_size)"
        )
        done = run_with_hub(f"http://127.0.0.1:{closed.getsockname()[1]}", tmp_path, code)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and "embedded" in lines[0] and "owner/model" in lines[0] and lines[1] == "128", done
    assert done.stderr == ""
