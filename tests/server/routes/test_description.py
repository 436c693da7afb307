"""What `/openapi.json` says of this very server, and of what no schema describes."""

from typing import Any

import jsonschema_rs
import pytest

from server.app import create_app
from server.routes.described_sdp import EXAMPLE_FRAGMENT, channel_offer, video_offer
from server.rtc.fragment import parse_fragment
from server.rtc.offer import parse_offer, parse_probe_offer, parse_publish_offer, parse_view_offer
from server.settings import Settings
from tests.server.conftest import StartServer

SHOWN = ("application/json", "text/plain", "text/event-stream")


@pytest.fixture
def described() -> dict[str, Any]:
    settings = Settings(model="inverting", max_bitrate_bps=3_000_000, max_edit_side=512)
    return create_app(settings).openapi()


def field(description: dict[str, Any], name: str) -> dict[str, Any]:
    """What a new session's field takes besides null."""
    given: dict[str, Any] = description["components"]["schemas"]["NewSession"]["properties"][name]["anyOf"][0]
    return given


def test_a_new_sessions_limits_are_this_servers(described: dict[str, Any]) -> None:
    assert field(described, "model")["enum"] == ["inverting"]
    assert field(described, "max_bitrate_bps")["maximum"] == 3_000_000
    assert [field(described, side)["maximum"] for side in ("width", "height")] == [512, 512]
    assert field(described, "steps")["maximum"] == 100


async def test_steps_are_the_models_once_it_is_loaded(start_server: StartServer) -> None:
    server = await start_server()
    async with server.http() as http:
        steps = field((await http.get("/openapi.json")).json(), "steps")
    assert (steps["minimum"], steps["maximum"]) == (1, 1)


def test_examples_of_offers_are_offers() -> None:
    assert parse_offer(video_offer("sendrecv")).media
    assert parse_publish_offer(video_offer("sendonly")).media
    assert parse_view_offer(video_offer("recvonly")).media
    assert parse_probe_offer(channel_offer()).media
    assert len(parse_fragment(EXAMPLE_FRAGMENT).candidates) == 1


def test_links_lead_to_calls_by_the_parameters_they_have(described: dict[str, Any]) -> None:
    calls = {
        operation["operationId"]: {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        for operations in described["paths"].values()
        for operation in operations.values()
        if "parameters" in operation
    }
    links = {
        name: link
        for operations in described["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for name, link in answer.get("links", {}).items()
    }
    assert len(links) > 20
    for link in links.values():
        assert set(link["parameters"]) == calls[link["operationId"]]


def test_a_bad_range_and_the_parts_of_a_file_are_described(described: dict[str, Any]) -> None:
    answers = described["paths"]["/v1/recordings/{recording_id}/files/{name}"]["get"]["responses"]
    assert {"200", "206", "416"} <= set(answers)


def test_every_answer_is_shown_by_an_example(described: dict[str, Any]) -> None:
    shown = 0
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for media_type, content in answer.get("content", {}).items():
                    if status[:1] == "2" and media_type in SHOWN:
                        assert "example" in content, f"{method} {path}: {status} {media_type}"
                        shown += 1
    assert shown > 30


def test_the_examples_are_what_is_described(described: dict[str, Any]) -> None:
    # Of JSON Schema 2020-12, as OpenAPI 3.1 is.
    for operations in described["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {}).get("application/json", {})
                if "example" in content:
                    schema = content["schema"] | {"components": described["components"]}
                    jsonschema_rs.validator_for(schema).validate(content["example"])


def test_what_ends_a_connection_promises_no_body(described: dict[str, Any]) -> None:
    for path in ("/whip/{publisher_id}", "/whep/{viewer_id}"):
        assert "content" not in described["paths"][path]["delete"]["responses"]["200"]


def test_an_answer_to_an_offer_names_its_headers(described: dict[str, Any]) -> None:
    for path in ("/whip", "/whep", "/v1/sessions/{session_id}/whip", "/v1/sessions/{session_id}/whep"):
        headers = described["paths"][path]["post"]["responses"]["201"]["headers"]
        assert {name for name, header in headers.items() if header["required"]} == {
            "Location",
            "ETag",
            "Link",
        }


def test_a_problem_has_all_its_members(described: dict[str, Any]) -> None:
    problem = described["components"]["schemas"]["ProblemDetails"]["properties"]
    assert {"type", "title", "status", "detail", "errors", "nearest"} == set(problem)
    assert "FieldError" in described["components"]["schemas"]
