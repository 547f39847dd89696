"""The vendors' guide: its code runs as it stands, and it explains every outcome."""

import inspect
import json
import re
from pathlib import Path
from typing import get_args

import httpx
import pytest
from typer.testing import CliRunner

from consumers.cli.main import app
from schemas.dispensation import REGISTER
from schemas.envelope import Envelope
from schemas.receipts import LineResult, Outcome
from schemas.sealing import b64encode
from streams import intake
from streams.intake import SigningKey, http_transport
from streams.intake.settling import Effect
from tests.unit.streams.intake.backbone import START, FakeBackbone

GUIDE = Path(__file__).parents[4] / "docs" / "vendors" / "publishing.md"


@pytest.fixture
def guide() -> str:
    return GUIDE.read_text()


@pytest.fixture
def _pharmacy(
    tmp_path: Path, key: SigningKey, backbone: FakeBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with its key file, and a backbone behind every address."""

    def open_client(api: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=api, transport=httpx.MockTransport(backbone.answer))

    monkeypatch.setattr(http_transport, "open_client", open_client)
    monkeypatch.setenv("DPP_OFFICE_PUBLIC_KEY", b64encode(backbone.office.public_bytes))
    monkeypatch.chdir(tmp_path)
    key.save(tmp_path / "publisher.key")


@pytest.mark.usefixtures("_pharmacy")
def test_the_code_of_the_guide_runs_from_top_to_bottom(
    guide: str, backbone: FakeBackbone, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    exec(compile("".join(blocks), str(GUIDE), "exec"), {"__name__": "guide"})  # noqa: S102 - our page
    assert [arrived.sequence for arrived in backbone.log] == [1, 2, 3, 4, 5, 6]
    assert "Flushed(sent=1, waiting=0, trouble=None)" in capsys.readouterr().out


@pytest.mark.usefixtures("_pharmacy")
def test_the_visit_of_the_guide_is_checked_offline_as_it_stands(guide: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    exec(compile("".join(blocks[:3]), str(GUIDE), "exec"), {"__name__": "guide"})  # noqa: S102 - our page
    command = ["quality", "check", str(tmp_path / "visit.json"), "--json"]
    done = CliRunner().invoke(app, command)
    (receipt,) = json.loads(done.output)
    assert receipt["outcome"] == "accepted"
    assert [line["issues"] for line in receipt["lines"] if "issues" in line] in ([], [[]])


@pytest.mark.parametrize("name", [*get_args(Effect), *get_args(Outcome), *get_args(LineResult)])
def test_the_guide_explains_every_outcome_and_effect(guide: str, name: str) -> None:
    assert f"`{name}`" in guide


def test_the_guide_shows_the_attributes_as_they_are(guide: str) -> None:
    envelope = Envelope(id="x", source="/pharmacies/80000551", type=REGISTER, time=START)
    attributes = {name: value.decode() for name, value in envelope.headers()}
    for name in ("ce_source", "ce_type", "ce_time", "ce_dataschema", "ce_specversion"):
        assert f"{name.replace('_', '-')}: {attributes[name]}" in guide


@pytest.mark.parametrize("name", intake.__all__)
def test_every_public_class_and_function_is_explained(name: str) -> None:
    found = getattr(intake, name)
    if isinstance(found, type) or inspect.isfunction(found):
        assert inspect.getdoc(found)


@pytest.mark.parametrize("name", intake.__all__)
def test_the_packages_own_page_says_what_each_name_is_for(name: str) -> None:
    assert f"`{name}`" in (intake.__doc__ or "")
