"""The drawing board, as the kernel sees it: what the browser sends is played by the tests."""

import copy
import io
import math
from unittest.mock import MagicMock

import pytest
import torch
from helpers.tiny_boards import SIZE, SOURCE, ask, make_generator
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from pix2pix_colab import LambdaPath, translate
from pix2pix_colab.data import LABEL_COLOURS, Pairs, nearest_classes, synthetic_facades
from pix2pix_colab.widgets import DrawingBoard, board_of_pairs
from pix2pix_colab.widgets.encoding import encode_jpeg


def make_path() -> LambdaPath:
    first = make_generator()
    anchors = {0: first, 100: copy.deepcopy(first), math.inf: copy.deepcopy(first)}
    for i, anchor in enumerate(anchors.values()):
        anchor.decoder[-1][1].bias.data += 0.3 * i
    return LambdaPath(anchors)


def labels_of(source: torch.Tensor) -> bytes:
    """The class of each pixel, as the browser sends it."""
    return bytes(nearest_classes(source[None])[0].flatten().tolist())


def decode(answer: dict) -> torch.Tensor:
    assert answer["error"] == ""
    return pil_to_tensor(Image.open(io.BytesIO(answer["image"]))).int()


@pytest.mark.parametrize(
    "networks", [make_path(), {10: make_generator(), 100: make_generator(1)}], ids=["path", "runs"]
)
def test_the_answer_is_what_translate_gives_but_for_jpeg(networks) -> None:
    board = DrawingBoard(networks, SOURCE)
    ends = []
    for index in (0, len(board.lambdas) // 2, len(board.lambdas) - 1):
        lambda_l1 = board.lambdas[index]
        answer = ask(board, index, labels_of(SOURCE[1]), str(index))
        path = isinstance(networks, LambdaPath)
        generator = networks.generator(lambda_l1) if path else networks[lambda_l1]
        expected = translate(generator, SOURCE[1])
        assert torch.equal(board.source, SOURCE[1]) and answer["id"] == str(index)
        assert torch.equal(board.translate(lambda_l1), expected)
        assert (decode(answer) - expected.int()).abs().float().mean() < 6
        ends.append(expected)
    assert not torch.equal(ends[0], ends[-1])


def test_each_view_gets_the_output_of_its_own_drawing() -> None:
    board = DrawingBoard(make_path(), SOURCE)
    mine, yours = labels_of(SOURCE[1]), labels_of(SOURCE[2])
    first, other, again = ask(board, 0, mine, "me 1"), ask(board, 0, yours, "you 1"), ask(board, 0, mine, "me 2")
    assert first["image"] == again["image"] != other["image"]
    assert [each["id"] for each in (first, other, again)] == ["me 1", "you 1", "me 2"]


@pytest.mark.parametrize(
    ("error", "words"), [(KeyboardInterrupt(), "interrupted"), (RuntimeError("no CUDA"), "RuntimeError: no CUDA")]
)
def test_whatever_happens_is_answered(error: BaseException, words: str, monkeypatch) -> None:
    board = DrawingBoard(make_path(), SOURCE)
    with monkeypatch.context() as patch:
        patch.setattr(board.networks, "translate", MagicMock(side_effect=error))
        assert words in ask(board, 0, labels_of(SOURCE[0]))["error"]
    assert ask(board, 0, labels_of(SOURCE[0]), "2")["error"] == ""


@pytest.mark.parametrize(
    "labels", [b"", bytes(SIZE * SIZE - 1), bytes([12]) * SIZE * SIZE], ids=["none", "short", "class"]
)
def test_what_is_no_label_map_is_answered_by_a_sentence(labels: bytes) -> None:
    board = DrawingBoard(make_path(), SOURCE)
    answer = ask(board, 0, labels)
    assert answer["error"] == "This is no label map of 128 px with 12 classes." and answer["image"] == b""
    assert ask(board, 0, labels_of(SOURCE[0]), "2")["error"] == "", "there is a way on"


@pytest.mark.parametrize("index", [-1, 1000])
def test_a_position_that_is_none_is_answered_by_a_sentence(index: int) -> None:
    board = DrawingBoard(make_path(), SOURCE)
    assert "position" in ask(board, index, labels_of(SOURCE[0]))["error"]


def test_noise_of_512_px_stays_below_50_kb() -> None:
    noise = torch.randint(0, 256, (3, 512, 512), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert len(encode_jpeg(noise)) < 50_000
    smooth = torch.nn.functional.avg_pool2d(noise[None].float(), 3, 1, 1)[0].to(torch.uint8)
    assert len(encode_jpeg(smooth)) < 50_000
    grey = torch.full((1, 64, 64), 100, dtype=torch.uint8)
    assert Image.open(io.BytesIO(encode_jpeg(grey))).mode == "L"


def test_before_a_stroke_the_source_is_what_one_starts_from() -> None:
    networks = {100: make_generator()}
    assert torch.equal(DrawingBoard(networks, SOURCE).source, SOURCE[0])
    grey = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8)
    assert torch.equal(DrawingBoard(networks, grey).source, torch.zeros(3, SIZE, SIZE, dtype=torch.uint8))
    board = DrawingBoard(networks, SOURCE[:0], LABEL_COLOURS)
    assert labels_of(board.source) == bytes(SIZE**2), "the class that a drawing without shapes has"


def test_without_pairs_the_examples_have_the_size_of_the_networks() -> None:
    for networks in (make_path(), {100: make_generator()}):
        assert board_of_pairs(networks).source.shape == (3, SIZE, SIZE)
    assert "at least one" in board_of_pairs({}).value
    none = Pairs(SOURCE[:0], SOURCE[:0], [])
    assert "There are no label maps" in board_of_pairs({100: make_generator()}, none).value


def test_the_board_starts_at_the_papers_choice() -> None:
    board = DrawingBoard(make_path(), SOURCE)
    assert board.data["positions"][board.data["index"]]["label"] == "λ = 100"
    names = [each["name"] for each in board.data["classes"]]
    assert names == list(LABEL_COLOURS) and names[board.data["fill"]] == "background"
    assert len(board.lambdas) == 21 and len(board.data["examples"]) == 3


def test_a_single_network_has_one_position() -> None:
    board = DrawingBoard({100: make_generator()}, SOURCE)
    assert [each["short"] for each in board.data["positions"]] == ["100"]


def test_grey_networks() -> None:
    generator = make_generator(source_channels=1, target_channels=1)
    edges = (SOURCE[:, :1] > 100).to(torch.uint8) * 255
    board = DrawingBoard({100: generator}, edges)
    assert {each["name"] for each in board.data["classes"]} == {"#000000", "#ffffff"}
    assert decode(ask(board, 0, bytes([1]) * SIZE * SIZE)).shape == (1, SIZE, SIZE)


def test_no_network_and_examples_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one λ"):
        DrawingBoard({}, SOURCE)
    with pytest.raises(ValueError, match=r"\(3, 3, 64, 64\), but the board has 128 px"):
        DrawingBoard(make_path(), SOURCE[..., :64, :64])


def test_without_examples_the_classes_must_be_given() -> None:
    none = SOURCE[:0]
    with pytest.raises(ValueError, match="give some, or the classes"):
        DrawingBoard({100: make_generator()}, none)
    assert DrawingBoard({100: make_generator()}, none, LABEL_COLOURS).data["examples"] == []


def test_photos_are_no_label_maps() -> None:
    photos = synthetic_facades(3, SIZE).target
    pairs = Pairs(photos, SOURCE, ["a", "b", "c"])
    assert "no label maps" in board_of_pairs(make_path(), pairs).value
    assert isinstance(board_of_pairs(make_path(), Pairs(SOURCE, photos, ["a", "b", "c"])), DrawingBoard)
