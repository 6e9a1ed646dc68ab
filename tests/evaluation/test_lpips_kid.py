"""LPIPS and KID against their formulas, on nets of random weights, and every way in which weights can fail to come."""

import hashlib
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import torch
import torchmetrics.functional.image.lpips as torchmetrics_lpips
import torchmetrics.image.kid as torchmetrics_kid
from helpers.server import closed_address, serving
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3 as fidelity
from torchvision.models import AlexNet_Weights, alexnet

from pix2pix_colab.evaluation import lpips_kid as module
from pix2pix_colab.evaluation.lpips_kid import kid, lpips

ALEXNET, INCEPTION = "alexnet-owt-7be5be79.pth", "weights-inception-2015-12-05-6726825d.pth"


def smooth(count: int, size: int = 64, seed: int = 0, high: float = 1.0, channels: int = 3) -> Tensor:
    random = torch.rand(count, channels, 5, 5, generator=torch.Generator().manual_seed(seed)) * high
    return nn.functional.interpolate(random, size=size, mode="bicubic").clamp(0, 1).mul(255).byte()


def random_inception() -> nn.Module:
    """torch-fidelity's own net; BatchNorm as it starts changes nothing, so He's weights keep features around 1."""
    with (
        mock.patch.object(fidelity, "load_state_dict_from_url", lambda *_, **__: None),
        mock.patch.object(fidelity.FeatureExtractorInceptionV3, "load_state_dict"),
        mock.patch.object(nn.init, "kaiming_uniform_"),  # drawn anew just below
    ):
        net = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    net.fc.weight.zero_()
    return net


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A TORCH_HOME with random weights in both files."""
    home = tmp_path_factory.mktemp("torch")
    checkpoints = home / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        features = {f"features.{key}": value for key, value in alexnet().features.state_dict().items()}
        with torch.device("meta"):
            shapes = {key: value.shape for key, value in alexnet().classifier.state_dict().items()}
        zeros = {f"classifier.{key}": torch.zeros(1).expand(shape) for key, shape in shapes.items()}  # 10 MB, not 233
        torch.save(features | zeros, checkpoints / ALEXNET)
        torch.save(random_inception().state_dict(), checkpoints / INCEPTION)
    return home


@pytest.fixture(scope="module")
def nets(weights):
    """Both nets, of random weights: built once in this file, and nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(weights))
        for load in (module._alexnet, module._inception):
            load.cache_clear()
            load(torch.device("cpu"))
    yield weights / "hub" / "checkpoints"
    for load in (module._alexnet, module._inception):
        load.cache_clear()


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """Nothing is fetched or built so far; returns where the weights would be."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for load in ("_alexnet", "_inception"):
        monkeypatch.setattr(module, load, getattr(module, load).__wrapped__)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def cheap(monkeypatch) -> list[int]:
    """KID in the features of 2×2 means instead of Inception; returns how many images it saw at a time."""

    class Pooled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            assert images.dtype == torch.uint8 and images.shape[1] == 3
            seen.append(len(images))
            return nn.functional.adaptive_avg_pool2d(images.float() / 64, 2).flatten(1)

    seen = []
    monkeypatch.setattr(module, "_inception", lambda device: Pooled())
    return seen


def offer(monkeypatch, base: str, name: str = ALEXNET) -> None:
    """From now on weights come from another server."""
    monkeypatch.setattr(AlexNet_Weights.DEFAULT.value, "url", f"{base}/{name}")
    monkeypatch.setattr(fidelity, "URL_INCEPTION_V3", f"{base}/{INCEPTION}")


def mmd(ours: Tensor, theirs: Tensor) -> float:
    """Bińkowski et al. 2018, section 4: the unbiased estimator, with the kernel (x·y / d + 1)³."""
    ours, theirs, n, total = ours.double(), theirs.double(), len(ours), 0.0
    kernel = lambda x, y: (x @ y / len(x) + 1) ** 3  # noqa: E731
    for i in range(n):
        for j in range(n):
            if i != j:
                total += (kernel(ours[i], ours[j]) + kernel(theirs[i], theirs[j])) / (n * (n - 1))
            total -= 2 * kernel(ours[i], theirs[j]) / n**2
    return float(total)


def test_the_files_are_those_that_the_packages_look_for():
    assert AlexNet_Weights.DEFAULT.url.endswith(f"/{ALEXNET}")
    assert fidelity.URL_INCEPTION_V3.endswith(f"/{INCEPTION}")


def test_lpips_by_hand(nets):
    """Zhang et al. 2018, equation 1: unit length along channels, weighted squares, mean over positions, sum of layers.

    With the inputs on [-1, 1], and shifted and scaled to ImageNet's, as in the authors' code.
    """
    output, target = smooth(2, seed=1), smooth(2, seed=2)
    state = torch.load(nets / ALEXNET)
    linear = torch.load(Path(torchmetrics_lpips.__file__).parent / "lpips_models" / "alex.pth", "cpu")
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])

    def features(images: Tensor) -> list[Tensor]:
        x, found = ((images.float() / 127.5 - 1).movedim(1, 3) - shift) / scale, []
        x = x.movedim(3, 1)
        for i, (layer, stride, padding) in enumerate([(0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)]):
            x = nn.functional.max_pool2d(x, 3, 2) if i in (1, 2) else x
            kernel, bias = state[f"features.{layer}.weight"], state[f"features.{layer}.bias"]
            x = nn.functional.conv2d(x, kernel, bias, stride, padding).relu()
            found.append(x / x.pow(2).sum(dim=1, keepdim=True).sqrt().clamp(min=1e-6))
        return found

    expected = torch.zeros(2)
    for i, (ours, theirs) in enumerate(zip(features(output), features(target), strict=True)):
        weight = linear[f"lin{i}.model.1.weight"].flatten()
        expected += torch.einsum("nchw,c->nhw", (ours - theirs) ** 2, weight).mean(dim=(1, 2))
    found = lpips(output, target, "cpu")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert found.dtype == torch.float32 and (found > 1e-3).all() and not found.requires_grad


def test_lpips_goes_image_by_image_whatever_the_batches(nets, monkeypatch):
    output, target, sizes = smooth(5, seed=1), smooth(5, seed=2), []
    alone = torch.cat([lpips(output[i : i + 1], target[i : i + 1], "cpu") for i in range(5)])
    assert alone.unique().numel() == 5
    monkeypatch.setattr(module, "BATCH", 2)
    net = module._alexnet(torch.device("cpu"))
    with net.register_forward_pre_hook(lambda _, images: sizes.append(len(images[0]))):
        torch.testing.assert_close(lpips(output, target, torch.device("cpu")), alone)
    assert sizes == [2, 2, 1]


def test_lpips_takes_all_sizes_that_alexnet_takes(nets):
    assert lpips(smooth(1, 31, seed=1), smooth(1, 31, seed=2), "cpu").isfinite().all()
    with pytest.raises(RuntimeError):
        module._alexnet(torch.device("cpu"))(torch.zeros(1, 3, 30, 64), torch.zeros(1, 3, 30, 64))
    with pytest.raises(ValueError, match="LPIPS takes images of 31 px or more, not 64 × 30"):
        lpips(smooth(1)[..., :30], smooth(1)[..., :30], "cpu")


@pytest.mark.parametrize(
    "metric", [lpips, lambda output, target, device: kid({0: target, 100: output}, target, device)]
)
@pytest.mark.parametrize(("count", "others"), [(4, 5), (0, 0)])
def test_images_that_cannot_be_measured_get_a_sentence(metric, count, others):
    output, target = torch.zeros(count, 3, 64, 64).byte(), torch.zeros(others, 3, 64, 64).byte()
    with pytest.raises(ValueError, match=rf"\({count}, 3, 64, 64\) outputs can't be measured against \({others}, 3, "):
        metric(output, target, "cpu")


@pytest.mark.slow
def test_kid_by_hand(nets):
    """In the features of torch-fidelity's own class, on 299 px, which nobody resizes."""
    target, outputs = smooth(4, 299, seed=1), {0: smooth(4, 299, seed=2, high=0.2), 10: smooth(4, 299, seed=3)}
    net, seen = module._inception(torch.device("cpu")), []
    with net.register_forward_pre_hook(lambda _, images: seen.append(len(images[0]))):
        found = kid(outputs, target, "cpu", subset_size=4)
    assert sum(seen) == 12  # the photos only once
    extractor = fidelity.FeatureExtractorInceptionV3("x", ["2048"], str(nets / INCEPTION)).eval()
    with torch.no_grad():
        photos, *ours = (extractor(images)[0] for images in (target, *outputs.values()))
    for k, features in zip(outputs, ours, strict=True):
        assert found[k] == pytest.approx((mmd(features, photos), 0), rel=2e-3, abs=2e-5)
    assert found[0][0] > 0.02 and abs(found[0][0] - found[10][0]) > 0.01


def test_kid_of_halves(cheap):
    target, output = smooth(12, seed=1), smooth(12, seed=2, high=0.8)
    pooled = [nn.functional.adaptive_avg_pool2d(images.float() / 64, 2).flatten(1) for images in (output, target)]
    whole = kid({0: output}, target, "cpu", subset_size=12)[0]
    assert whole == pytest.approx((mmd(*pooled), 0), rel=1e-3, abs=1e-4)
    mean, spread = kid({0: output}, target, "cpu")[0]
    assert (mean, spread) == kid({0: output}, target, "cpu", subset_size=6)[0]
    assert spread > 0.01 * abs(mean) and abs(mean - whole[0]) < spread  # of 100 halves: a tenth of it, or so
    assert all(isinstance(value, float) for value in (mean, spread))


def test_kid_of_many_images_takes_the_subsets_of_the_paper(cheap, monkeypatch):
    sizes, original = [], torchmetrics_kid.poly_mmd
    monkeypatch.setattr(torchmetrics_kid, "poly_mmd", lambda a, b, *rest: sizes.append(len(a)) or original(a, b, *rest))
    monkeypatch.setattr(module, "SUBSETS", 2)
    images = torch.zeros(2100, 1, 2, 2).byte()
    kid({0: images}, images, "cpu")
    assert sizes == [1000, 1000]


def test_kid_meets_the_same_subsets_for_all_lambdas_and_photos_once(cheap, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    target, output = smooth(7, seed=1), smooth(7, seed=2)
    found = kid({0: output, 10: target, 100: output}, target, "cpu")
    assert list(found) == [0, 10, 100] and found[0] == found[100] != found[10]
    assert cheap == [3, 3, 1] * 4
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        assert kid({100: output}, target, "cpu")[100] == found[100]


@pytest.mark.parametrize("count", [1, 3])
def test_kid_needs_sets_of_images(cheap, count):
    with pytest.raises(ValueError, match=f"takes four or more, not {count}"):
        kid({0: smooth(count)}, smooth(count), "cpu")
    assert kid({0: smooth(4)}, smooth(4), "cpu")


def test_building_and_measuring_change_nothing_and_print_nothing(weights, empty, monkeypatch, capfd):
    """KID's net, too: the slowest test of this file."""
    monkeypatch.setenv("TORCH_HOME", str(weights))
    torch.rand(1)  # so that it isn't the state in which another test left it
    random, images = torch.get_rng_state(), smooth(4)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        lpips(images, images, "cpu")
        module._inception(torch.device("cpu"))
        monkeypatch.setattr(module, "_inception", lambda device: nn.Flatten())
        kid({0: images // 32}, images // 64, "cpu")
        assert warnings.filters == filters
    assert not warned
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.is_grad_enabled()


def test_weights_are_fetched_once_and_silently(weights, empty, monkeypatch, capfd):
    body = (weights / "hub" / "checkpoints" / ALEXNET).read_bytes()
    name = f"alexnet-owt-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    with serving(body) as server:
        offer(monkeypatch, server.base, name)
        for _ in range(2):
            lpips(smooth(1), smooth(1), "cpu")
        assert [path for path, _ in server.asked] == [f"/{name}"]
    assert [file.name for file in empty.iterdir()] == [name]
    assert (empty / name).read_bytes() == body
    assert capfd.readouterr() == ("", "")


def visible(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if not file.name.startswith(".")]


def measure(metric: str) -> object:
    images = smooth(4)
    return lpips(images, images, "cpu") if metric == "LPIPS" else kid({0: images}, images, "cpu")


FAULTS = {
    "silent": ({"silent": True}, "no answer within 1 seconds"),
    "stalls": ({"drip": 600}, "no answer within 1 seconds"),
    "drips": ({"drip": 0.5, "piece": 100}, "less than 262,144 bytes per second"),
    "404": ({"status": 404, "body": b"<html>no</html>"}, "it answers 404"),
    "error page": ({"body": b"<html>Please log in</html>"}, "it gave a web page"),
    "truncated": ({"until": 5000}, "it broke off after 0 bytes"),
    "empty": ({"body": b""}, "another file, or not all of it"),
    "no length": ({"until": 5000, "headers": {"Content-Length": None}}, "another file, or not all of it"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_server_with_a_fault_gets_a_sentence_and_leaves_no_file(empty, monkeypatch, capfd, fault, reason):
    """At once: the servers that are slow are so for minutes. What has come is kept in a hidden file, to resume."""
    monkeypatch.setattr(module, "PATIENCE", replace(module.PATIENCE, timeout=1, grace=0.3))
    for metric, name in (("LPIPS", ALEXNET), ("KID", INCEPTION)):
        with serving(b"weights" * 10000, always=fault) as server:
            offer(monkeypatch, server.base)
            start = time.monotonic()
            with pytest.raises(ConnectionError) as caught:
                measure(metric)
            assert time.monotonic() - start < 60
            assert len(server.asked) == 1
        sentence = str(caught.value)
        assert sentence.startswith(f"{metric} needs weights, and {name} can't be fetched from 127.0.0.1 (")
        assert reason in sentence
        assert sentence.endswith(f"): connect to a network and call again, or put that file into {empty}.")
        assert visible(empty) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("metric", ["LPIPS", "KID"])
def test_no_network_gets_a_sentence(empty, monkeypatch, metric):
    for base, reason in ((closed_address(), "NewConnectionError"), ("http://nowhere.invalid", "no connection")):
        offer(monkeypatch, base)
        with pytest.raises(ConnectionError, match=rf"{metric} needs weights, .*{reason}"):
            measure(metric)
        assert list(empty.iterdir()) == []


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path, empty, monkeypatch):
    (tmp_path / "hub").write_text("no folder")
    with serving(b"weights") as server:
        offer(monkeypatch, server.base)
        with pytest.raises(ConnectionError, match=r"can't be fetched from .*hub"):
            measure("LPIPS")


@pytest.mark.parametrize(("metric", "name"), [("LPIPS", ALEXNET), ("KID", INCEPTION)])
def test_a_damaged_file_is_named(empty, metric, name):
    empty.mkdir(parents=True)
    (empty / name).write_bytes(b"<html>left by another program</html>")
    with pytest.raises(ValueError, match=rf"{name} can't be read \(.*\): delete it, and {metric} will fetch it anew"):
        measure(metric)


def test_a_missing_package_gets_a_sentence(empty, monkeypatch):
    advice = "KID needs torch-fidelity, which isn't installed here: pip install torch-fidelity, and start Python anew"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
        with pytest.raises(ConnectionError, match=advice):
            measure("KID")
    empty.mkdir(parents=True)
    (empty / INCEPTION).touch()
    monkeypatch.setattr(torchmetrics_kid, "_TORCH_FIDELITY_AVAILABLE", False)  # installed since torchmetrics looked
    with pytest.raises(ConnectionError, match=advice):
        measure("KID")
