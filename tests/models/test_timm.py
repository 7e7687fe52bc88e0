"""Backbones of timm: inputs of every kind, and weights from files that deserve it."""

import pickle
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from ucmkd import settings
from ucmkd.errors import ConfigError, DataError
from ucmkd.models.base import Encoder
from ucmkd.models.timm import Settings, build
from ucmkd.training.network import watched

SMALL = (3, 32, 32)
PUBLISHED = (3, 160, 160)
"""The size of input that timm publishes its test backbones for."""


def encoder(shape: tuple[int, ...], name: str = "test_resnet", seed: int = 0, **values: Any) -> Encoder:
    torch.manual_seed(seed)
    return build(shape, "student", Settings(name=name, **values)).eval()


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def reference(name: str, **options: Any) -> torch.nn.Module:
    """Make a backbone with a classifier, as pretrained ones have."""
    torch.manual_seed(11)
    return timm.create_model(name, num_classes=10, **options).eval()


def features_of(model: torch.nn.Module, given: Tensor) -> Tensor:
    features: Tensor = model.forward_head(model.forward_features(given), pre_logits=True)
    return features


def stored(path: Path, state: dict[str, Tensor]) -> str:
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A file of weights of each of two backbones."""
    folder = tmp_path_factory.mktemp("weights")
    return {
        name: stored(folder / f"{name}.safetensors", reference(name).state_dict())
        for name in ("test_resnet", "test_vit")
    }


class TestInputs:
    @pytest.mark.parametrize("name", ["test_resnet", "test_vit", "resnet10t"])
    @pytest.mark.parametrize("shape", [SMALL, (1, 40, 51), (2, 17, 90), (2, 3, 24, 24)])
    def test_of_any_size_and_number_of_channels_are_taken(self, name: str, shape: tuple[int, ...]) -> None:
        inner = encoder(shape, name)
        features = inner.train()(noise(4, *shape))
        assert features.shape == (4, inner.width)
        assert torch.isfinite(features).all()

    @pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
    def test_frames_are_encoded_one_by_one_and_averaged(self, name: str) -> None:
        inner, given = encoder((3, *SMALL), name), noise(5, 3, *SMALL)
        single = torch.stack([inner(given[:, frame]) for frame in range(3)])
        torch.testing.assert_close(inner(given), single.mean(0), rtol=1e-4, atol=1e-5)
        assert (single[0] - single[1]).abs().max() > 1e-3

    def test_every_part_of_a_spectrogram_matters_to_a_transformer(self) -> None:
        """Also the bands and frames beyond the last whole patch of 16."""
        given = noise(2, 1, 41, 50).requires_grad_()
        encoder((1, 41, 50), "test_vit")(given).square().sum().backward()
        assert given.grad is not None
        assert (given.grad.abs().sum((0, 1)) > 0).all()

    def test_what_is_filled_up_are_zeros(self) -> None:
        inner, exact = encoder((1, 41, 50), "test_vit"), encoder((1, 48, 64), "test_vit", seed=1)
        exact.load_state_dict(inner.state_dict())
        given = noise(2, 1, 41, 50)
        whole = torch.zeros(2, 1, 48, 64)
        whole[:, :, :41, :50] = given
        torch.testing.assert_close(inner(given), exact(whole))

    @pytest.mark.parametrize("shape", [(7,), (2, 30), (1, 1, 1, 8, 8)])
    def test_of_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ConfigError, match=r"timm takes inputs .*not \(.*another encoder"):
            encoder(shape)

    def test_that_a_backbone_cannot_take_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"'efficientformer_l1' cannot take inputs \(3, 64, 64\)"):
            encoder((3, 64, 64), "efficientformer_l1")


class TestMaps:
    @pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "vgg11_bn"])
    def test_are_those_that_timm_extracts(self, name: str) -> None:
        inner, given = encoder(SMALL, name), noise(2, *SMALL)
        extractor = timm.create_model(name, features_only=True).eval()
        wanted = extractor.state_dict()
        own = {key.replace(".", "_", key.count(".") - 1): value for key, value in inner.state_dict().items()}
        found = {key.replace(".", "_", key.count(".") - 1): key for key in wanted}
        extractor.load_state_dict({found[key]: own[f"model_{key}"] for key in found})
        with watched(inner) as seen:
            inner(given)
        maps = extractor(given)
        assert len(maps) == len(inner.maps) >= 4
        for name_of_map, expected in zip(inner.maps, maps, strict=True):
            torch.testing.assert_close(seen[name_of_map], expected)

    @pytest.mark.parametrize("name", ["test_vit", "swin_tiny_patch4_window7_224"])
    def test_are_none_where_channels_do_not_come_first(self, name: str) -> None:
        assert encoder((3, 32, 32), name).maps == ()

    def test_of_frames_are_one_a_frame(self) -> None:
        inner = encoder((3, *SMALL))
        with watched(inner) as seen:
            inner(noise(5, 3, *SMALL))
        assert [seen[name].shape[0] for name in inner.maps] == [15] * len(inner.maps)

    def test_before_the_rectifier_are_not_told(self) -> None:
        assert encoder(SMALL).preactivations == ()


class TestName:
    def test_is_required(self) -> None:
        with pytest.raises(ConfigError, match=r"models\.image\.teacher\.name: is missing"):
            settings.build(Settings, {}, "models.image.teacher")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("resnet19", "no backbone 'resnet19'; did you mean 'resnet18'"),
            ("resnet18.nothing", r"'resnet18' has no weights 'nothing'; known: .*a1_in1k"),
            ("hf-hub:timm/resnet18.a1_in1k", "no backbone 'hf-hub:timm/resnet18"),
            ("../resnet18", "no backbone"),
            ("", "no backbone ''"),
        ],
    )
    def test_that_timm_does_not_have_is_refused(self, name: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            encoder(SMALL, name)

    @pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "vit_base_patch16_224"])
    def test_that_users_of_torchvision_expect_is_there(self, name: str) -> None:
        assert name in timm.list_models()


class TestDropPath:
    def test_acts_in_training_alone(self) -> None:
        inner, given = encoder(SMALL, "test_vit", drop_path=0.5), noise(8, *SMALL)
        assert torch.equal(inner(given), inner(given))
        inner.train()
        assert not torch.equal(inner(given), inner(given))
        silent = encoder(SMALL, "test_vit").train()
        assert torch.equal(silent(given), silent(given))

    @pytest.mark.parametrize("share", [-0.1, 1.0])
    def test_that_is_no_share_is_refused(self, share: float) -> None:
        with pytest.raises(ConfigError, match=r"here: drop_path is .*must lie in \[0, 1\)"):
            settings.build(Settings, {"name": "test_vit", "drop_path": share}, "here")

    def test_is_refused_where_a_backbone_has_none(self) -> None:
        with pytest.raises(
            ConfigError, match=r"'vgg11' cannot be built .*drop_path 0\.1.*leave drop_path out"
        ):
            encoder(SMALL, "vgg11", drop_path=0.1)


def test_attention_is_fused_on_request_and_says_the_same() -> None:
    plain, fused = encoder(SMALL, "test_vit"), encoder(SMALL, "test_vit", fused_attention=True)
    kinds = [
        {module.fused_attn for module in inner.modules() if hasattr(module, "fused_attn")}
        for inner in (plain, fused)
    ]
    assert kinds == [{False}, {True}]
    torch.testing.assert_close(plain(noise(3, *SMALL)), fused(noise(3, *SMALL)), rtol=1e-4, atol=1e-5)


class TestWeights:
    @pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
    def test_of_a_file_give_the_features_of_its_model(self, name: str, files: dict[str, str]) -> None:
        given = noise(2, *PUBLISHED)
        inner = encoder(PUBLISHED, name, weights=files[name])
        torch.testing.assert_close(inner(given), features_of(reference(name), given))

    @pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
    def test_for_colours_read_grey_as_three_equal_colours(self, name: str, files: dict[str, str]) -> None:
        inner, grey = encoder((1, 160, 160), name, weights=files[name]), noise(2, 1, 160, 160)
        expected = features_of(reference(name), grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(inner(grey), expected, rtol=1e-4, atol=1e-4)

    def test_for_colours_read_two_equal_pictures_as_one(self, files: dict[str, str]) -> None:
        inner, given = encoder((6, 160, 160), weights=files["test_resnet"]), noise(2, *PUBLISHED)
        expected = features_of(reference("test_resnet"), given)
        torch.testing.assert_close(inner(torch.cat([given, given], 1)), expected, rtol=1e-4, atol=1e-4)

    def test_with_their_own_number_of_channels_are_taken_as_they_are(self, tmp_path: Path) -> None:
        model = reference("test_resnet", in_chans=2)
        path, given = stored(tmp_path / "two.safetensors", model.state_dict()), noise(2, 2, 64, 64)
        torch.testing.assert_close(encoder((2, 64, 64), weights=path)(given), features_of(model, given))

    def test_keep_a_constant_position_embedding_at_another_size(self, tmp_path: Path) -> None:
        state = reference("test_vit").state_dict()
        state["pos_embed"][:, 1:] = 0.25
        path = stored(tmp_path / "vit.safetensors", state)
        inner = encoder((3, 48, 80), "test_vit", weights=path)
        places = inner.state_dict()["model.pos_embed"]
        assert places.shape[1] == 1 + 3 * 5
        torch.testing.assert_close(places[:, 1:], torch.full_like(places[:, 1:], 0.25))
        torch.testing.assert_close(places[:, 0], state["pos_embed"][:, 0])

    def test_do_not_depend_on_the_seed(self, files: dict[str, str]) -> None:
        one, other = (encoder(SMALL, seed=seed, weights=files["test_resnet"]) for seed in (0, 1))
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))

    def test_may_lack_the_classifier(self, tmp_path: Path) -> None:
        state = {k: v for k, v in reference("test_resnet").state_dict().items() if not k.startswith("fc.")}
        assert encoder(SMALL, weights=stored(tmp_path / "headless.safetensors", state))

    def test_that_are_not_there_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigError, match=r"no file of weights '.*absent\.safetensors'; correct the path"
        ):
            encoder(SMALL, weights=str(tmp_path / "absent.safetensors"))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda state: state.pop("layer1.0.conv1.weight"), "layer1.0.conv1.weight is missing"),
            (lambda state: state.update(odd=torch.ones(2)), "odd is unknown"),
            (
                lambda state: state.update({"bn1.weight": torch.ones(3)}),
                r"bn1.weight has shape \(3,\) instead",
            ),
            (
                lambda state: state.update({"conv1.0.weight": torch.ones(3)}),
                "cannot be fitted",
            ),
            (lambda state: state.clear(), r"is missing; .* and \d+ more"),
        ],
        ids=["one missing", "one unknown", "one of another shape", "no convolution", "empty"],
    )
    def test_that_are_not_all_of_the_backbone_are_refused(
        self, tmp_path: Path, change: Any, message: str
    ) -> None:
        state = reference("test_resnet").state_dict()
        change(state)
        with pytest.raises(DataError, match=message):
            encoder(SMALL, weights=stored(tmp_path / "changed.safetensors", state))

    @pytest.mark.parametrize(("name", "other"), [("test_resnet", "test_vit"), ("test_vit", "test_resnet")])
    def test_of_another_backbone_are_refused(self, name: str, other: str, files: dict[str, str]) -> None:
        with pytest.raises(DataError, match=rf"{other}.*'{name}'.*give the file of this backbone"):
            encoder(SMALL, name, weights=files[other])


class Trap:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


class TestPickles:
    @pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".pkl", ""])
    def test_are_refused_by_their_name(self, tmp_path: Path, suffix: str) -> None:
        path, mark = tmp_path / f"weights{suffix}", tmp_path / "opened"
        path.write_bytes(pickle.dumps(Trap(mark)))
        with pytest.raises(ConfigError, match=r"neither 'hub' nor a \.safetensors file.*can hold code"):
            encoder(SMALL, weights=str(path))
        assert not mark.exists()

    def test_are_refused_under_another_name(self, tmp_path: Path) -> None:
        path, mark = tmp_path / "weights.safetensors", tmp_path / "opened"
        path.write_bytes(pickle.dumps(Trap(mark)))
        with pytest.raises(DataError, match="not a readable safetensors file"):
            encoder(SMALL, weights=str(path))
        assert not mark.exists()

    def test_the_trap_would_work(self, tmp_path: Path) -> None:
        call, arguments = Trap(tmp_path / "opened").__reduce__()  # what unpickling does, without doing it
        call(*arguments)
        assert (tmp_path / "opened").exists()


class TestHub:
    def test_weights_are_the_safetensors_file_that_timm_names(
        self, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def download(repository: str, filename: str) -> str:
            asked.append((repository, filename))
            return files["test_resnet"]

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        inner, given = encoder(PUBLISHED, weights="hub"), noise(2, *PUBLISHED)
        torch.testing.assert_close(inner(given), features_of(reference("test_resnet"), given))
        assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors")]

    def test_a_tag_chooses_among_them(self, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def download(repository: str, filename: str) -> str:
            asked.append(repository)
            raise OSError("away")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        with pytest.raises(ConfigError, match="cannot be downloaded"):
            encoder(SMALL, "resnet18.fb_swsl_ig1b_ft_in1k", weights="hub")
        assert asked == ["timm/resnet18.fb_swsl_ig1b_ft_in1k"]

    def test_a_network_that_is_away_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def download(repository: str, filename: str) -> str:
            raise ConnectionError("nobody there")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        with pytest.raises(
            ConfigError, match=r"cannot be downloaded \(nobody there\); connect to the network"
        ):
            encoder(SMALL, weights="hub")

    def test_a_backbone_that_was_never_published_is_said(self) -> None:
        with pytest.raises(ConfigError, match=r"timm knows no weights of 'resnetv2_50d' on the hub"):
            encoder(SMALL, "resnetv2_50d", weights="hub")
