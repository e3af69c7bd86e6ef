import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mechscope.errors import ModelUnavailable, UnknownName
from mechscope.models import load_model
from mechscope.models.hub import cached_snapshot, ensure_snapshot
from mechscope.models.registry import find_model
from mechscope.models.report import describe

COMMIT = "11c5a3d5811f50298f278a704980280950aedb10"


def put_into_hub_cache(hub: Path, repo: str, folder: Path) -> Path:
    """Lay a saved model where the hub's own cache would keep it."""
    home = hub / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(folder, home / "snapshots" / COMMIT))


def test_a_hub_model_without_the_hub_fails_at_once_and_lists_what_works(no_hub: Path, cache: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        load_model("gpt2-small")
    said = str(caught.value)
    for part in (
        "cannot be reached",
        "smollm2-135m (fetched with pip on first use)",
        "gemma-3-270m",
        "folder",
    ):
        assert part in said


def test_offline_mode_is_respected(no_hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE is set"):
        load_model("solu-1l")


def test_a_misspelt_repository_is_proposed_the_nearest_when_the_hub_cannot_be_asked(no_hub: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'google/gemma-2-9b'"):
        load_model("google/gema-2-9b")


def test_a_model_in_the_hubs_cache_loads_without_the_hub(
    no_hub: Path, tiny_model: Callable[..., Path]
) -> None:
    put_into_hub_cache(no_hub, "gpt2", tiny_model("gpt2"))
    bridge = load_model("gpt2-small")
    assert bridge.cfg.n_layers == 2
    assert bridge.cfg.model_name == "gpt2-small"
    assert (
        bridge.to_tokens("Paris")[0, 0] == bridge.tokenizer.bos_token_id
    )  # GPT-2's convention, by the registry
    assert "here now           yes" in describe("gpt2-small")
    assert cached_snapshot(find_model(f"gpt2@{COMMIT}")) is not None
    assert cached_snapshot(find_model("gpt2@another")) is None


def test_a_download_that_was_cut_off_does_not_count_as_here(
    no_hub: Path, tiny_model: Callable[..., Path]
) -> None:
    snapshot = put_into_hub_cache(no_hub, "gpt2", tiny_model("gpt2"))
    (snapshot / "model.safetensors").rename(snapshot / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert cached_snapshot(find_model("gpt2")) is None
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        ensure_snapshot(find_model("gpt2"))
    (snapshot / "model-00002-of-00002.safetensors").write_bytes(b"")
    assert cached_snapshot(find_model("gpt2")) is not None


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """A hub of our own with one model, `gpt2`, in two formats; its address."""
    files = {"config.json": b"{}", "model.safetensors": b"weights", "pytorch_model.bin": b"again"}
    files |= {"onnx/model.onnx": b"and again", "tokenizer.json": b"{}"}

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/api/models/gpt2/tree"):
                tree = [
                    {"type": "file", "path": name, "size": len(raw), "oid": "0"}
                    for name, raw in files.items()
                ]
                self.answer(200, json.dumps(tree).encode())
            elif path.startswith("/api/models/gpt2"):
                names = [{"rfilename": name} for name in files]
                self.answer(200, json.dumps({"id": "gpt2", "sha": COMMIT, "siblings": names}).encode())
            elif path.startswith("/gpt2/resolve/"):
                self.answer(200, files[path.split("/", 4)[4]])
            else:
                self.answer(404 if path != "/" else 200, b"", "RepoNotFound")

        do_HEAD = do_GET  # noqa: N815

        def answer(self, status: int, body: bytes, error: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hash(body)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if status == 404:
                self.send_header("X-Error-Code", error)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetch_from(hub: str, name: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """`fetch(name)` in a process of its own: the hub's address is read when its library is imported."""
    program = f"from mechscope.models import fetch; print(sorted(p.name for p in fetch({name!r}).iterdir()))"
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    environment["HF_HUB_DISABLE_XET"] = "1"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)


def test_a_hub_model_is_downloaded_in_one_format(hub: str, tmp_path: Path) -> None:
    fetched = fetch_from(hub, "gpt2-small", tmp_path / "home")
    assert fetched.stdout.strip() == "['config.json', 'model.safetensors', 'tokenizer.json']", fetched.stderr


def test_a_repository_that_the_hub_does_not_have_is_an_unknown_name(hub: str, tmp_path: Path) -> None:
    fetched = fetch_from(hub, "google/gema-2-9b", tmp_path / "home")
    assert (
        "UnknownName: unknown model 'google/gema-2-9b' — did you mean 'google/gemma-2-9b'" in fetched.stderr
    )
